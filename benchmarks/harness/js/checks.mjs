// What clients of both JavaScript peers need to try denials.

export const PASSWORD = 'password';

export const user = (number, users) => `u${number % users}`;

export class Denials {
  seen = [];

  /** Note one attempt; throws if it went through. */
  expect(what, denied) {
    if (!denied) throw new Error(`${what} was not denied: nothing is measured`);
    this.seen.push(what);
  }

  /** Note an attempt that must be rejected, with an error that `pattern` matches. */
  async rejects(what, pattern, attempt) {
    let problem = '';
    try {
      await attempt();
    } catch (error) {
      problem = error instanceof Error ? `${error.name} ${error.message}` : JSON.stringify(error);
    }
    this.expect(what, pattern.test(problem));
  }
}
