// A picture of every page, at three widths, light and dark.
import { api, browser, pages, signIn } from './common.mjs';

const widths = [320, 768, 1280];
const opened = await browser();
for (const scheme of ['light', 'dark']) {
  const context = await opened.newContext({ colorScheme: scheme, deviceScaleFactor: 1 });
  const page = await context.newPage();
  const shot = async (name) => {
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${width}-${scheme}.png`, fullPage: true });
    }
  };
  await page.goto(`${api}/dashboard/sign-in`);
  await shot('sign-in');
  await signIn(page);
  for (const [name, path] of pages) {
    await page.goto(`${api}/dashboard/${path}`);
    await shot(name);
  }
  await context.close();
}
// The picture of README.md: the upper part of a page. It is copied to docs by hand.
const context = await opened.newContext({ colorScheme: 'light', viewport: { width: 1100, height: 860 } });
const page = await context.newPage();
await signIn(page);
await page.goto(`${api}/dashboard/experiments/simulation-2026`);
await page.screenshot({ path: `${process.env.SCREENSHOTS}/dashboard-experiment.png` });
await opened.close();
