#pragma once
#include "telemetry/log.hpp"

/// How log lines leave the process. At first each is written at once. A process under load buffers them: one write for all lines
/// of a few milliseconds.
namespace otto::tel {

/// From now on a line waits for at most 5 ms, and only if another was written in the 5 ms before it. A warning or an error, and
/// all before it, is written at once; so is what has come to 64 KiB. Lines stay whole and in order. What a SIGKILL finds in the
/// buffer is lost.
void buffer_log();
/// The least that is logged from now on.
void set_log_level(Level least);
/// Writes what waits. Done at exit() too.
void flush_log();

}  // namespace otto::tel
