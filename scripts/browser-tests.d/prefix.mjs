// The dashboard below a stage and a base path: a proxy adds a prefix that the server does not know.
import { createServer, request } from 'node:http';
import { api, browser, must, pages, token } from './common.mjs';

const prefix = '/base/prod';
const outside = [];
const proxy = createServer((incoming, outgoing) => {
  if (!incoming.url.startsWith(`${prefix}/`)) {
    outside.push(incoming.url);
    outgoing.writeHead(404).end();
    return;
  }
  const to = new URL(incoming.url.slice(prefix.length), api);
  const forwarded = request(to, { method: incoming.method, headers: incoming.headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  incoming.pipe(forwarded);
});
await new Promise((listens) => proxy.listen(0, '127.0.0.1', listens));
const base = `http://127.0.0.1:${proxy.address().port}${prefix}/dashboard`;

const opened = await browser();
const context = await opened.newContext();
const page = await context.newPage();
await page.goto(base);
must(page.url() === `${base}/sign-in`, `without a session, the home page leads to the sign-in page: ${page.url()}`);
await page.fill('#token', token);
await page.click('main button[type=submit]');
must(page.url().startsWith(`${base}/experiments`), `signing in stays below the prefix: ${page.url()}`);
const [cookie] = await context.cookies(base);
must(cookie.path === `${prefix}/dashboard`, `the cookie is for the folder of the dashboard: ${cookie.path}`);
const links = new Set();
for (const [, path] of pages) {
  await page.goto(`${base}/${path}`);
  must(await page.evaluate(() => document.styleSheets[0]?.cssRules.length > 50), `${path} has its style sheet`);
  const found = await page.$$eval('a[href], form', (elements) => elements.map((element) => element.href ?? element.action));
  for (const link of found) {
    must(link.startsWith(`${base}/`), `${path} has no link to elsewhere: ${link}`);
    links.add(link.split('#')[0]);
  }
}
for (const link of links) {
  const answer = await page.request.get(link, { headers: { Cookie: `${cookie.name}=${cookie.value}` } });
  must(answer.status() < 400 || /nowhere|sign-out/.test(link), `${link} leads to a page: ${answer.status()}`);
}
await page.goto(`${base}/experiments/checkout-button/change/pause`);
await page.click('form.act button[type=submit]');
must(page.url() === `${base}/experiments/checkout-button?done=pause`, `a form leads to its page: ${page.url()}`);
await page.goto(`${base}/experiments/checkout-button/change/resume`);
await page.click('form.act button[type=submit]');
await page.click('text=Sign out');
must(page.url() === `${base}/sign-in`, 'signing out leads to the sign-in page');
must(outside.filter((url) => url !== '/favicon.ico').length === 0, `nothing is asked for outside of the prefix: ${outside}`);
await opened.close();
proxy.close();
console.log(`${links.size} links below the prefix`);
