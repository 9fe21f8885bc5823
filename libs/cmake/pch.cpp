// The unit that the precompiled header hangs on.
