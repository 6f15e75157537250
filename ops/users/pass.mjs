/**
 * One pass over a file of users: rows go to the admin port in batches, a few at a time, and the answers
 * are taken in the order of the file. So what is known to be done is always a beginning of the file, and
 * the window of batches is all that is held in memory. A batch may be sent again by `call`: whatever it
 * wrote finds itself.
 */
/**
 * @typedef {import('./source.mjs').Item} Item
 * @typedef {Record<string, any>} Result
 * @typedef {{ items: Item[], results: Result[], disabled: number, prints: Buffer, sent: Item[], ids: string[], probe?: string }} Answered
 */

const batchRows = 500;
const batchChars = 1024 * 1024;
const window = 4;

/** What this side finds out by itself. @type {Record<string, string>} */
export const messages = {
  E_LINE_TOO_LONG: 'The line is longer than 64 KiB.',
  E_ENCODING: 'The line is not UTF-8.',
  E_JSON: 'This is not one JSON object.',
  E_COLUMNS: 'The row has another number of fields than the header.',
  E_FIELD_MISSING: 'A required field is missing.',
};

/** @param {Item} item @returns {Result} */
const ownResult = ({ line, code = '', field, message = messages[code] ?? '' }) => ({
  ...{ line, ok: false, code: code === 'E_COLUMNS' ? 'E_FIELD_MISSING' : code },
  ...(field === undefined ? {} : { field }),
  message,
});

/**
 * @param {import('../admin-call.mjs').AdminCall} call
 * @param {object} head
 * @param {Item[]} items
 * @returns {Promise<Answered>}
 */
const send = async (call, head, items) => {
  const sent = items.filter((item) => item.text !== undefined);
  const own = items.filter((item) => item.text === undefined).map(ownResult);
  if (sent.length === 0)
    return { items, results: own, disabled: 0, prints: Buffer.alloc(0), sent, ids: [] };
  const lines = sent.map(({ line, text }) => `${line} ${text}`);
  const body = `${JSON.stringify(head)}\n${lines.join('\n')}`;
  const { results, disabled, prints, ids, probe } = await call('POST', '/users/import', body);
  const all = own.length === 0 ? results : [...own, ...results].sort((a, b) => a.line - b.line);
  const bytes = Buffer.from(prints, 'base64');
  return { items, results: all, disabled, prints: bytes, sent, ids, probe };
};

/** Pages as batches. @param {AsyncIterable<Item[]>} pages */
async function* toBatches(pages) {
  /** @type {Item[]} */
  let batch = [];
  let chars = 0;
  for await (const page of pages)
    for (const item of page) {
      batch.push(item);
      chars += item.text?.length ?? 0;
      if (batch.length < batchRows && chars < batchChars) continue;
      yield batch;
      batch = [];
      chars = 0;
    }
  if (batch.length > 0) yield batch;
}

/**
 * Calls `take` with every answer, in order. Throws what the admin port answered.
 * @param {{
 *   pages: AsyncIterable<Item[]>,
 *   call: import('../admin-call.mjs').AdminCall,
 *   head: object,
 *   take: (answered: Answered) => void,
 * }} options
 */
export const runPass = async ({ pages, call, head, take }) => {
  /** @type {Promise<Answered>[]} */
  const open = [];
  for await (const batch of toBatches(pages)) {
    const answer = send(call, head, batch);
    // Somebody may be waiting for another one when it fails.
    answer.catch(() => {});
    open.push(answer);
    const first = open.length >= window ? open.shift() : undefined;
    if (first !== undefined) take(await first);
  }
  for (const answer of open) take(await answer);
};
