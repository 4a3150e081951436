// axe-core on every page, in light and dark, wide and narrow.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { api, browser, must, pages, signIn } from './common.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const opened = await browser();
const found = [];
for (const colorScheme of ['light', 'dark']) {
  for (const width of [320, 1280]) {
    const context = await opened.newContext({ colorScheme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const check = async (name) => {
      // Through the debugger, because the pages allow no scripts.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      }));
      for (const one of violations) {
        found.push(`${name}, ${colorScheme}, ${width}: ${one.id}: ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`);
      }
    };
    await page.goto(`${api}/dashboard/sign-in`);
    await check('sign-in');
    await signIn(page);
    for (const [name, path] of pages) {
      await page.goto(`${api}/dashboard/${path}`);
      await check(name);
    }
    await context.close();
  }
}
await opened.close();
must(found.length === 0, `no page has a violation:\n${found.join('\n')}`);
