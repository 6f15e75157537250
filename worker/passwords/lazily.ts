/**
 * Native code that is loaded with its first use and not with the program: after a migration nearly every
 * record is argon2, and a node that starts has logins waiting for its core.
 */
export const lazily = <T>(load: () => T): (() => T) => {
  let loaded: { value: T } | undefined;
  return () => {
    loaded ??= { value: load() };
    return loaded.value;
  };
};
