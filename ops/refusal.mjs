/**
 * The one error of the launcher: something the user has to put right. Its message says what is wrong
 * and what to do; whoever catches it prints that and exits with 1, without a stack.
 */
export class Refusal extends Error {
  /** @override */
  name = 'Refusal';
}
