// What somebody does in the dashboard, from the start link to the erasure of a user, with scripts switched on and off.
import { api, browser, call, hostileName, must, pages, signIn, token } from './common.mjs';

const opened = await browser();

/** The decision of the API in words, as the page shows it: without backticks. */
const words = (text) => text.replaceAll('`', '');

async function open(page, path) {
  await page.goto(`${api}/dashboard/${path}`);
}

async function look(page) {
  await open(page, 'experiments?text=simulation');
  await page.click('text=Simulation 2026');
  must(page.url().endsWith('/dashboard/experiments/simulation-2026'), 'a link of the list opens the experiment');
  const report = await call('GET', '/experiments/simulation-2026/results?series=none&dimension=none');
  const shown = await page.innerText('.decision .headline');
  must(shown.includes(words(report.decision.headline)), `the decision is that of the API: ${shown}`);
  const lift = report.metrics[0].comparisons[0].decisive.relative;
  must(await page.locator(`data[value="${lift.estimate}"]`).count() > 0, 'the lift has the digits of the API');
  must(await page.locator('.figure svg title').count() > 0, 'the picture has a title');
  await page.click('table >> text=Purchase rate');
  must(await page.locator('h1').innerText() === 'Purchase rate', 'a metric has a page');
  await page.selectOption('#method', 'fixed');
  await page.click('form.search button');
  // On a busy machine the browser may still be loading, and then it cannot go back.
  await page.waitForURL(/method=fixed/);
  must(page.url().includes('method=fixed'), 'the chosen method is in the address');
  await page.goBack();
  must(!page.url().includes('method=fixed'), 'the back button leads back');
}

async function create(page, id) {
  await open(page, 'experiments');
  await page.click('text=New experiment');
  for (const [field, value] of Object.entries({
    name: `Journey ${id}`, id, baseline: '10', effect: '20', users_per_day: '2000', hypothesis: 'It is found sooner.',
  })) await page.fill(`#${field}`, value);
  await page.click('text=Calculate and preview');
  const plan = await call('POST', '/experiments/plan', {
    metric: { kind: 'conversion', key: 'purchase', rate: 0.1 }, minimum_detectable_effect: 0.2, users_per_day: 2000,
    variants: [{ key: 'control', percent: 50 }, { key: 'treatment', percent: 50 }],
  });
  must((await page.innerText('section.card .headline')).includes(plan.sentence), 'the plan is that of the API');
  must(await page.inputValue('#name') === `Journey ${id}`, 'the form keeps what was typed');
  await page.click('text=Create a draft');
  must(page.url().endsWith(`/dashboard/experiments/${id}`), 'the new experiment is shown');
  return plan;
}

async function change(page, id, button, fill = async () => {}) {
  await open(page, `experiments/${id}`);
  await page.click(`.actions >> text="${button}"`);
  await fill();
  await page.fill('#reason', `because of ${button}`);
  await page.click('form.act button[type=submit]');
  must(await page.locator('.note.good').count() === 1, `the page says what "${button}" has done`);
  return call('GET', `/experiments/${id}`);
}

async function act(page, id) {
  const plan = await create(page, id);
  let now = await change(page, id, 'Start');
  must(now.status === 'running' && now.plan.users === plan.plan.users, 'it runs with its plan');
  now = await change(page, id, 'Change the traffic', () => page.fill('#traffic_percent', '25'));
  must(now.traffic_percent === 25, 'the traffic is changed');
  now = await change(page, id, 'Pause');
  must(now.status === 'paused', 'it is paused');
  now = await change(page, id, 'Resume');
  now = await change(page, id, 'Stop', async () => {
    await page.selectOption('#outcome', 'won');
    await page.selectOption('#variant', 'treatment');
    await page.fill('#notes', 'Found sooner.');
  });
  must(now.conclusion.outcome === 'won', 'it is stopped with a conclusion');
  now = await change(page, id, 'Release a variant', () => page.selectOption('#variant', 'treatment'));
  must(now.release.variant === 'treatment', 'the variant is released');
  await page.click('text=History');
  must((await page.innerText('main')).includes('because of Stop'), 'the history has the reasons');
}

async function flags(page) {
  await open(page, 'flags');
  await page.click('text=New checkout');
  const { environments } = await call('GET', '/flags/new-checkout');
  await page.click(environments.production.enabled ? 'text=Switch off in' : 'text=Switch on in');
  await page.click('form.act button[type=submit]');
  const after = await call('GET', '/flags/new-checkout');
  must(after.environments.production.enabled === !environments.production.enabled, 'the flag is switched');
  must(JSON.stringify(after.environments.production.rules) === JSON.stringify(environments.production.rules), 'its rules stay');
  await page.fill('#user', 'ann');
  await page.fill('#attributes', '{"email": "ann@example.com"}');
  await page.click('text="Evaluate"');
  must((await page.innerText('.card[role=status]')).includes('The user gets'), 'an evaluation is explained');
}

async function editors(page, id) {
  await open(page, 'segments');
  await page.click('text=New segment');
  await page.fill('#name', `Segment ${id}`);
  await page.fill('#id', id);
  await page.fill('#condition', '{"age": {"$over": 18}}');
  await page.click('form.act button[type=submit]');
  must((await page.innerText('#condition-wrong')).includes('/age/$over'), 'the fault is beside the field');
  must(await page.inputValue('#condition') === '{"age": {"$over": 18}}', 'the field keeps what was typed');
  await page.fill('#condition', '{"age": {"$gte": 18}}');
  await page.click('form.act button[type=submit]');
  must((await call('GET', `/segments/${id}`)).condition.age.$gte === 18, 'the segment is created');

  await open(page, 'flags');
  await page.click('text=New flag');
  await page.fill('#name', `Flag ${id}`);
  await page.fill('#key', id);
  await page.click('form.act button[type=submit]');
  await page.click('text=Rules in production');
  for (const [rule, kind] of [['first', 'rollout'], ['second', 'serve']]) {
    await page.selectOption('#kind', kind);
    await page.fill('#rule_id', rule);
    await page.fill('section:has(#add) #condition', `{"$savedGroups": ["${id}"]}`);
    await page.click('section:has(#add) button[value=change]');
    must(await page.locator('.note.good').count() === 1, `the rule ${rule} is added`);
  }
  await page.click('[aria-label="Move second up"]');
  const ids = async () => (await call('GET', `/flags/${id}`)).environments.production.rules.map((one) => one.id).join();
  must(await ids() === 'second,first', `the rules have another order: ${await ids()}`);
  await page.fill('#rules', '[]');
  await page.click('section:has(#json) button[value=draft]');
  must(await ids() === 'second,first', 'a draft changes nothing');
  await open(page, `flags/${id}`);
  await page.click('text=Publish the draft');
  await page.click('form.act button[type=submit]');
  must((await call('GET', `/flags/${id}`)).environments.production.rules === undefined || await ids() === '', 'the draft is published');
  await page.click('text=History');
  await page.click('text=Revert to version 4');
  await page.fill('#reason', 'the rules were right');
  await page.click('form.act button[type=submit]');
  must(await ids() === 'second,first', 'the revert brings the rules back');

  await open(page, 'experiments?sort=-name');
  const [first] = await page.locator('tbody th a').allInnerTexts();
  const { experiments } = await call('GET', '/experiments?limit=100');
  const names = experiments.map((one) => one.name.toLowerCase()).sort();
  must(experiments.some((one) => one.name === first) && names.at(-1).slice(0, 5) === first.toLowerCase().slice(0, 5), `the list is sorted by name: ${first}`);
}

async function users(page, user) {
  await call('GET', `/experiments/simulation-2026/assignment/${user}`);
  await call('POST', '/events', { user_id: user, type: 'purchase', value: 5, event_id: `of ${user}` });
  await open(page, 'users');
  await page.fill('#id', user);
  await page.click('main form.search button');
  must((await page.innerText('#assignments ~ table, section:has(#assignments)')).includes('simulation-2026'), 'the user has an assignment');
  await page.fill('#experiment', 'simulation-2026');
  await page.click('text=Explain');
  must((await page.innerText('section:has(#why)')).includes('assignment'), 'the rules of the assignment are shown');
  await page.click('text=Erase this user');
  await page.fill('#typed', 'somebody else');
  await page.click('form.act button[type=submit]');
  must(await page.locator('.note.bad').count() === 1, 'another typed id erases nobody');
  await page.fill('#typed', user);
  await page.click('form.act button[type=submit]');
  must(await page.locator('.note.good').count() === 1, 'the page says that the user is erased');
  must((await call('GET', `/users/${user}`)).assignments.length === 0, 'the user is erased');
}

for (const scripts of [true, false]) {
  const context = await opened.newContext({ javaScriptEnabled: scripts });
  const page = await context.newPage();
  const alarms = [];
  page.on('dialog', (dialog) => { alarms.push(dialog.message()); dialog.dismiss(); });
  page.on('console', (message) => { if (message.type() === 'error' && !/404|403|422/.test(message.text())) alarms.push(message.text()); });
  if (scripts) {
    await page.goto(process.env.START_LINK);
    must(page.url().includes('/dashboard/experiments'), 'the start link signs in');
    await page.goto(process.env.START_LINK);
    must((await page.innerText('main')).includes('used already'), 'the start link signs in once');
    const [cookie] = await context.cookies(`${api}/dashboard`);
    must(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Strict' && cookie.path === '/dashboard', 'the cookie is guarded');
    must(!JSON.stringify(cookie).includes(token), 'the cookie is not the token');
  } else {
    await signIn(page, 'assay_this_is_no_token_at_all');
    must(await page.locator('.note.bad').count() === 1, 'a wrong token is refused');
    await signIn(page);
    must(page.url().includes('/dashboard/experiments'), 'a token signs in');
  }
  await look(page);
  await act(page, scripts ? 'with-script' : 'without-script');
  await flags(page);
  await editors(page, scripts ? 'editors-with-script' : 'editors-without-script');
  await users(page, scripts ? 'person-1' : 'person-2');
  // No page is wider than a small phone, loads a script, or is heavy. Names are text.
  await page.setViewportSize({ width: 320, height: 640 });
  for (const [name, path] of pages) {
    const answer = await page.goto(`${api}/dashboard/${path}`);
    const bytes = (await answer.body()).length;
    must(bytes < 150_000, `${name} has less than 150 KB: ${bytes}`);
    if (!scripts) continue;
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    must(wide <= 320, `${name} fits 320 pixels: ${wide}`);
    must(await page.evaluate(() => document.scripts.length) === 0, `${name} has no script`);
  }
  await open(page, 'experiments/hostile');
  must((await page.innerText('h1')).includes(hostileName.slice(0, 20)), 'a hostile name is text');
  await page.click('text=Sign out');
  await open(page, 'experiments');
  must(page.url().includes('/dashboard/sign-in'), 'after signing out no page is shown');
  must(alarms.length === 0, `nothing was executed or blocked: ${alarms}`);
  await context.close();
}
await opened.close();
