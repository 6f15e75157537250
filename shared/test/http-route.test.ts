import t from 'tap';
import { createRouter, type Route } from '../http-route.js';

const route = (method: string, path: string, prefix = false): Route => ({
  method,
  path,
  ...(prefix ? { prefix: true } : {}),
  body: 'none',
  handle: () => ({ status: 204 }),
});

t.test('a route of exactly this path goes before one with everything below, in any order', (t) => {
  const exact = route('DELETE', '/things');
  const below = route('DELETE', '/things', true);
  for (const routes of [
    [exact, below],
    [below, exact],
  ]) {
    const find = createRouter(routes);
    t.equal(find('DELETE', '/things'), exact);
    t.equal(find('DELETE', '/things/1'), below);
    t.strictSame(find('GET', '/things/1'), ['DELETE']);
    t.strictSame(find('DELETE', '/thing'), []);
  }
  t.end();
});

t.test('HEAD goes where GET goes, and nowhere else', (t) => {
  const [get, any, post] = [route('GET', '/read'), route('*', '/any'), route('POST', '/write')];
  const find = createRouter([get, any, post]);
  t.equal(find('HEAD', '/read'), get);
  t.equal(find('HEAD', '/any'), any);
  t.strictSame(find('HEAD', '/write'), ['POST']);
  t.strictSame(find('PUT', '/read'), ['GET, HEAD']);
  t.end();
});
