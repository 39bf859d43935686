// What the tests of pages share: headless Chromium, from PATH or CHROMIUM, and what no page may do.
"use strict";

const assert = require("assert");
const { execFileSync } = require("child_process");
const { chromium } = require("playwright-core");

/** A page in a browser of its own, with its errors and what it asks of other hosts than `own`. */
async function openPage(own, expected = () => false) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
    args: ["--no-sandbox"],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const [troubles, foreign] = [[], []];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (line) => {
    if (line.type() === "error" && !expected(line.text())) troubles.push(line.text());
  });
  page.on("request", (request) => {
    if (!/^(?:blob|data):/.test(request.url()) && !request.url().startsWith(own)) foreign.push(request.url());
  });
  const clean = () => {
    assert.deepStrictEqual(troubles, [], "the page has no errors, nor does its policy");
    assert.deepStrictEqual(foreign, [], "nothing is asked of other hosts");
  };
  return { browser, page, clean };
}

/** A small screen in the dark. */
async function makeSmallAndDark(page) {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
}

/** Nothing has to be scrolled sideways. */
async function assertFits(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert(wide <= 0, `${what} is ${wide} px too wide`);
}

module.exports = { openPage, makeSmallAndDark, assertFits };
