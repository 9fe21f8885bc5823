import AxeBuilder from "@axe-core/playwright";
import { type Company, expect, newNumber, signIn, test, watchPage } from "./fixtures";

/** A call that was recorded, transcribed and analysed. */
async function analysed(company: Company, ...words: string[]): Promise<number> {
  const from = newNumber();
  await company.call("--from", from, ...words);
  return company.until(async () => {
    const found = await company.ask("manager", "GET", `/api/v1/calls?analysed=true&phone=${encodeURIComponent(from)}`);
    return found.data.items[0]?.call_id;
  }, "an analysed call");
}

test("a call is heard and read: the second is in the address, keys move it, a line plays itself", async ({ page, company }) => {
  const watched = watchPage(page);
  const id = await analysed(company, "--outcome", "warm");
  const links: string[] = [];
  page.on("request", (r) => r.url().includes("/media/") && links.push(new URL(r.url()).origin));
  await signIn(page, company, "csr", `/app/calls/${id}?t=2`);
  const where = page.getByRole("slider", { name: "Where in the call" });
  await expect(where).toHaveAttribute("aria-valuetext", /^0:02 of \d+:\d\d/);
  await expect.poll(() => links.length).toBeGreaterThan(0);
  expect(new Set(links)).toEqual(new Set([new URL(page.url()).origin]));
  await page.keyboard.press("ArrowRight");
  await expect(where).not.toHaveAttribute("aria-valuetext", /^0:02/);
  await where.press("Home");
  await expect(where).toHaveAttribute("aria-valuetext", /^0:00 of .*, We$/);
  await page.getByRole("button", { name: /Too much/ }).click();
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await expect(page.getByRole("button", { name: /Too much/ })).toHaveAttribute("aria-current", "true");
  expect(watched.trouble).toEqual([]);
});

test("a manager corrects what it meant; both values, who and when stay, and nobody else is offered it", async ({ page, company }) => {
  const id = await analysed(company, "--outcome", "warm");
  await signIn(page, company, "manager", `/app/calls/${id}`);
  const meaning = page.getByRole("region", { name: "What it meant" });
  await meaning.getByRole("button", { name: "Correct…" }).click();
  const dialog = page.getByRole("dialog", { name: "Correct the analysis" });
  await dialog.getByLabel("What is wrong").selectOption("appointment_date");
  await dialog.getByLabel("Value").fill("0001-01-01T00:00");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByLabel("Value")).toHaveAttribute("aria-invalid", "true"); // the problem stands at its field
  await dialog.getByLabel("What is wrong").selectOption("lead_quality");
  await dialog.getByLabel("Value").selectOption("hot");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();
  await expect(meaning.getByText("Hot", { exact: true })).toBeVisible();
  await expect(meaning.locator("del")).toHaveText("Warm");
  await expect(meaning).toContainText(company.people.manager.name);
  const now = await company.ask("csr", "GET", `/api/v1/calls/${id}`);
  expect(now.data.analysis.lead_quality).toBe("hot");
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await page.context().clearCookies();
  await signIn(page, company, "csr", `/app/calls/${id}`);
  await expect(page.getByRole("region", { name: "What it meant" }).locator("del")).toHaveText("Warm");
  await expect(page.getByRole("button", { name: "Correct…" })).toHaveCount(0);
});

test("what there is not is said, with its reason", async ({ page, company }) => {
  const from = newNumber();
  await company.call("--from", from, "--missed");
  const id = await company.until(
    async () => (await company.ask("csr", "GET", `/api/v1/calls?phone=${encodeURIComponent(from)}`)).data.items[0]?.call_id,
    "the missed call",
  );
  await signIn(page, company, "csr", `/app/calls/${id}`);
  await expect(page.getByText("There is no recording of this call.")).toBeVisible();
  await expect(page.getByText("Nothing to analyse", { exact: true })).toBeVisible();
  await page.goto("/app/calls/0");
  await expect(page.getByText("There is no such call.")).toBeVisible();
});
