/** A map that keeps the entries used last: what an edge remembers of tokens, cookies and limits. */
import { LRUCache } from 'lru-cache';

export const createCache = <V extends object>(max: number) => new LRUCache<string, V>({ max });
