/**
 * Functions of C libraries, through the optional package `koffi`, which is loaded at the first use, in each
 * thread of its own. Owns koffi.
 */
import { createRequire } from 'node:module';

/** `func` takes the function's declaration in C. */
type NativeLibrary<Call> = { func: (prototype: string) => Call };
type Koffi = { load: <Call>(path: string | null) => NativeLibrary<Call> };

/** A library by its file name, or the process itself (null). Throws where it or the package is missing. */
export const openLibrary = <Call>(path: string | null): NativeLibrary<Call> => {
  const koffi: Koffi = createRequire(import.meta.url)('koffi');
  return koffi.load(path);
};
