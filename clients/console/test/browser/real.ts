import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

// npm run real -- URL USER PASSWORD: logs in to a real server, changes the password when asked, listens, talks, writes, replays.
const [url = 'https://localhost:8443', user = 'admin', first = '', fresh = 'Kongzhitai-2026-lai', out = 'test/browser/shots'] = process.argv.slice(2)
mkdirSync(out, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', '--autoplay-policy=no-user-gesture-required'],
})
async function console1(name: string, password: string) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, ignoreHTTPSErrors: true, permissions: ['microphone'] })
  const page = await context.newPage()
  page.setDefaultTimeout(12000)
  page.on('console', (m) => { if (m.type() === 'error') console.log(name, m.text()) })
  page.on('pageerror', (e) => console.log(name, e.stack))
  page.on('response', (r) => { if (r.status() >= 400) void r.text().then((t) => console.log(name, r.status(), r.url(), t.slice(0, 200)), () => undefined) })
  const id = (t: string) => page.locator(`[data-testid="${t}"]`)
  await page.goto(url)
  await id('login-user').fill(user)
  await id('login-password').fill(password)
  await id('login-submit').click()
  await Promise.race([id('pw-old').waitFor(), id('ptt').waitFor()])
  if (await id('pw-old').isVisible()) {
    await id('pw-old').fill(password)
    await id('pw-new').fill(fresh)
    await id('pw-submit').click()
    await id('ptt').waitFor()
  }
  return { page, id }
}
const a = await console1('a', first)
const b = await console1('b', fresh)
for (const c of [a, b]) await c.page.locator('[data-testid="media-state"][data-connected="true"]').waitFor()
const group = (await a.page.locator('[data-testid^="group-"][data-testid$="-select"]').first().getAttribute('data-testid'))!.replace(/\D/g, '')
for (const c of [a, b]) await c.id(`group-${group}-listen`).click().then(() => c.id(`group-${group}`).and(c.page.locator('[data-joined="true"]')).waitFor())
await a.id(`group-${group}-select`).click()
await a.page.keyboard.down('Space')
await a.page.locator('[data-testid="ptt-state"][data-state="granted"]').waitFor()
const state = a.id('ptt-state')
console.log('access ms', Number(await state.getAttribute('data-granted-at')) - Number(await state.getAttribute('data-pressed-at')), 'hearing', await state.getAttribute('data-hearing'))
await b.id(`talker-${group}`).and(b.page.locator('[data-talker]')).waitFor()
await a.page.waitForTimeout(2500)
await a.page.screenshot({ path: `${out}/real-a.png` })
await b.page.screenshot({ path: `${out}/real-b.png` })
await a.page.keyboard.up('Space')
const burst = a.page.locator('[data-testid^="burst-"][data-duration]').first()
await burst.waitFor()
console.log('burst ms', await burst.getAttribute('data-duration'))
await burst.locator('button').click()
await a.page.waitForTimeout(1200)
console.log('replay playing', await burst.locator('button').getAttribute('data-playing'), 'failed', await burst.locator('.bad').count())
await a.id('nav-messages').click()
await a.id(`thread-${group}`).click()
await a.id('message-input').fill('北堤 12 号桩管涌，请求增援')
await a.id('message-send').click()
await a.page.locator('[data-testid^="message-"][data-receipt="accepted"]').first().waitFor()
await a.page.screenshot({ path: `${out}/real-messages.png` })
for (const p of ['calls', 'journal', 'positions', 'admin', 'audit']) { await a.id(`nav-${p}`).click(); await a.page.waitForTimeout(500); await a.page.screenshot({ path: `${out}/real-${p}.png` }) }
console.log('done')
await browser.close()
