// The same variants on three roads: the API's own endpoint, OFREP, and GrowthBook's SDK, which evaluates by itself; before
// and after a step of a ramp.
import { GrowthBook } from '@growthbook/growthbook';
import assert from 'node:assert/strict';
import { api, bearer, clientKey, eventually, finish, must, url } from './common.mjs';

const EXPERIMENT = 'sdk-ramp';
const FLAG = 'sdk-ramped';
const COUNT = Number(process.env.SDK_USERS || 10_000);
const BATCH = 100;
const AT_ONCE = 16;

// Ids as applications have them, and ids that careless code takes for nothing, for a number or for two other ids.
const LOOKS_EMPTY = [
  ' ', '  ', '\u00a0', '\u2003', '\u200b', '\ufeff', '0', '-0', '00', '0.0', '1e3', 'NaN', 'null', 'undefined', 'false', 'true',
  '[]', '{}', '""', '[object Object]', '.', '..', '/', '%', '%00', '%2F', '+', '?', '#', '\\', '"', "'", '$', '__proto__',
  'constructor', 'e\u0301', 'é', 'ﬀ', 'İ', 'ß', 'SS', '\u202e', '👩‍👩‍👧', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '\ud83d\ude00', 'a'.repeat(256), '😀'.repeat(64), '日'.repeat(85),
];
const SHAPES = [
  (n) => `user-${n}`,
  (n) => String(n),
  (n) => `zoé.${n}@exämple.test`,
  (n) => `日本-${n}`,
  (n) => `😀${n}`,
  (n) => `${n}👩‍👩‍👧é`,
  (n) => ` ${n} `,
  (n) => `${String.fromCodePoint(0x10000 + n)}`,
  (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  (n) => `${String.fromCodePoint(0x0400 + (n % 256))}/${n}`,
];
const ids = [...new Set([...LOOKS_EMPTY, ...Array.from({ length: COUNT }, (_, n) => SHAPES[n % SHAPES.length](n))])].slice(0, COUNT);

const chunks = (list, size) => Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));

async function concurrently(list, work) {
  const results = new Array(list.length);
  let next = 0;
  const worker = async () => {
    while (next < list.length) {
      const index = next++;
      results[index] = await work(list[index]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

// The variant of each user, or `none`.
const roads = {
  async own() {
    const answers = await concurrently(chunks(ids, BATCH), (batch) =>
      api('POST', `/experiments/${EXPERIMENT}/assignments:evaluate`, { users: batch.map((user_id) => ({ user_id })), enroll: false }),
    );
    return answers.flatMap(({ assignments }) =>
      assignments.map(({ variant, reason }) => (['split', 'existing'].includes(reason) ? variant : 'none')),
    );
  },
  async growthbook() {
    const growthbook = new GrowthBook({ apiHost: url, clientKey });
    const { success } = await growthbook.init({ skipCache: true, timeout: 10_000 });
    assert.ok(success);
    const variants = [];
    for (const id of ids) {
      await growthbook.setAttributes({ id });
      variants.push(growthbook.getFeatureValue(FLAG, 'missing'));
    }
    growthbook.destroy();
    return variants;
  },
  async ofrep() {
    return concurrently(ids, async (targetingKey) => {
      const response = await fetch(`${url}/ofrep/v1/evaluate/flags/${FLAG}`, {
        method: 'POST',
        headers: { ...bearer(clientKey), 'Content-Type': 'application/json' },
        body: JSON.stringify({ context: { targetingKey } }),
      });
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify([targetingKey, answer]));
      return answer.value;
    });
  },
};

async function compare(traffic) {
  const found = {};
  for (const [name, road] of Object.entries(roads)) {
    const started = Date.now();
    found[name] = await road();
    const perSecond = Math.round((ids.length * 1000) / (Date.now() - started));
    console.log(`  ${traffic}% traffic, ${name}: ${ids.length} users, ${perSecond} per second`);
  }
  for (const [index, id] of ids.entries()) {
    const variants = Object.values(found).map((variants) => variants[index]);
    must(`${JSON.stringify(id)} has one variant at ${traffic}%: ${variants}`, new Set(variants).size, 1);
  }
  const share = found.own.filter((variant) => variant !== 'none').length / ids.length;
  // Ten standard deviations: this is about a wrong share, and not about chance.
  must(`${share} of the users are enrolled at ${traffic}%`, Math.abs(share - traffic / 100) < 5 / Math.sqrt(ids.length), true);
  return found.own;
}

const before = await compare(20);
const at = new Date(Date.now() + 3000).toISOString();
await api('PATCH', `/experiments/${EXPERIMENT}`, { ramp: [{ at, traffic_percent: 60 }] });
// The step takes effect by itself, on each road when its copy of the definitions is older than a second.
await eventually('the ramp has its step', () => Date.now() > Date.parse(at) + 2000);
const after = await compare(60);
for (const [index, id] of ids.entries()) {
  must(`${JSON.stringify(id)} keeps the variant`, before[index] === 'none' || before[index] === after[index], true);
}
finish('three_roads');
