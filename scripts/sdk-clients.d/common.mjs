// What the tests of the clients in JavaScript share: the API, and statements that must hold.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export const url = process.env.ASSAY_URL;
export const clientKey = process.env.ASSAY_CLIENT_KEY;
export const bearer = (token) => ({ Authorization: `Bearer ${token}` });

// The definitions that the script has created.
export const { flags } = JSON.parse(readFileSync(new URL('definitions.json', import.meta.url)));
const valueOf = (key, variant) => {
  const flag = flags.find((flag) => flag.key === key);
  return flag.variants.find((each) => each.key === variant).value;
};

// The flags whose value is the same for all users, with a default of the application that is another value.
export const plain = [
  ['sdk-boolean', 'boolean', 'on', false],
  ['sdk-string', 'string', 'text', 'default'],
  ['sdk-integer', 'number', 'answer', -1],
  ['sdk-large', 'number', 'largest', -1],
  ['sdk-number', 'number', 'part', -1],
  ['sdk-whole', 'number', 'one', -1],
  ['sdk-object', 'object', 'full', { default: true }],
].map(([key, type, variant, otherwise]) => ({ key, type, variant, value: valueOf(key, variant), otherwise }));

// Users for the rollout and for the experiment: some are in each part.
export const users = (client) => Array.from({ length: 40 }, (_, n) => `${client}-${['ann', 'zoé', '日本', '😀'][n % 4]}-${n}`);

export async function api(method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { ...bearer(process.env.ASSAY_TOKEN), 'Content-Type': 'application/json', 'If-Match': '*' },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

// The assignment that the API has stored, or would store.
export const assignment = (experiment, user) =>
  api('GET', `/experiments/${experiment}/assignment/${encodeURIComponent(user)}?enroll=false`);

// The value of a flag by the API's own explanation, which stores nothing.
export const explained = async (key, attributes) => {
  const { variant } = await api('POST', `/flags/${key}/evaluate`, { attributes });
  return valueOf(key, variant);
};

let checks = 0;
export function must(statement, found, expected) {
  assert.deepEqual(found, expected, statement);
  checks += 1;
}

export async function eventually(statement, condition) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await condition()) {
      checks += 1;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(statement);
}

// A rollout and an experiment for many users: `evaluate` gives the value that the client has for a user.
export async function split(client, evaluate, { stored }) {
  const found = { on: 0, green: 0 };
  for (const user of users(client)) {
    const { rollout, tested } = await evaluate(user);
    must(`${user} has the rollout of the API`, rollout, await explained('sdk-rollout', { id: user }));
    const { variant, reason } = await assignment('sdk-test', user);
    must(`the experiment has ${stored ? '' : 'not '}stored ${user}`, reason, stored ? 'existing' : 'split');
    must(`${user} has the variant of the API`, tested, valueOf('sdk-tested', variant));
    found.on += rollout ? 1 : 0;
    found.green += tested === 'green' ? 1 : 0;
  }
  for (const [name, count] of Object.entries(found)) {
    must(`some users have ${name} and others do not`, count > 0 && count < users(client).length, true);
  }
}

export const finish = (name) => console.log(`ok ${name}: ${checks} checks`);
