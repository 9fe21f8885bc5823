import type { Config, SignIn } from "./session";

/** Clerk's own client is loaded where a publishable key is set. It is not part of this build yet: say so instead of failing somewhere. */
export function clerkSignIn(_: Config): SignIn {
  throw new Error("This build of the dashboard signs in with the sandbox only; Clerk's client is not in it.");
}
