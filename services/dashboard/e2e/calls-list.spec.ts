import AxeBuilder from "@axe-core/playwright";
import { expect, newNumber, signIn, test } from "./fixtures";

test("new calls wait while somebody reads further down; J, K, Enter and Back keep the place", async ({ page, company }) => {
  await Promise.all(Array.from({ length: 8 }, () => company.call("--missed")));
  await company.until(async () => (await company.ask("csr", "GET", "/api/v1/calls?limit=1")).data.total >= 9, "calls");
  await page.setViewportSize({ width: 1200, height: 420 });
  await signIn(page, company, "csr", "/app/calls");
  const rows = page.getByRole("list", { name: "Calls" }).getByRole("listitem");
  await expect(rows.nth(8)).toBeAttached();
  for (let n = 0; n < 9; n += 1) await page.keyboard.press("j");
  const chosen = page.locator("li:focus-within");
  await expect(chosen).toHaveAttribute("aria-posinset", "9");
  const number = /\(\d{3}\) \d{3}-\d{4}/.exec((await chosen.textContent()) ?? "")?.[0] ?? "";
  await company.call("--missed", "--from", newNumber());
  await expect(page.getByRole("button", { name: "1 new" })).toBeVisible({ timeout: 40_000 });
  await expect(chosen).toContainText(number);
  await expect(chosen).toHaveAttribute("aria-posinset", "9");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/app\/calls\/\d+$/);
  await page.goBack();
  await expect(page.locator("li:focus-within")).toContainText(number);
  await page.keyboard.press("k");
  await expect(page.locator("li:focus-within")).not.toContainText(number);
});

test("spans of days and chips say what the address says; the list is a file", async ({ page, company }) => {
  await signIn(page, company, "manager", "/app/calls?direction=inbound&answered=false&lead_quality=nonsense");
  const chips = page.getByRole("list", { name: "Filters" }).getByRole("button");
  await expect(chips).toHaveText([/^Inbound/, /^Not answered/]);
  await chips.first().click();
  await expect(page).toHaveURL(/calls\?answered=false$/);
  await page.getByRole("button", { name: "Today" }).click();
  await expect(page).toHaveURL(/date_from=(\d{4}-\d\d-\d\d)&date_to=\1/);
  await expect(page.getByRole("button", { name: "Today" })).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByRole("list", { name: "Calls" })).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  const csv = await company
    .token("manager")
    .then((token) =>
      page.request.get("/api/v1/calls?answered=false", { headers: { Authorization: `Bearer ${token}`, Accept: "text/csv" } }),
    );
  const saved = page.waitForEvent("download", { timeout: 5_000 }).catch(() => undefined);
  await page.getByRole("button", { name: "CSV" }).click();
  if (csv.headers()["content-type"]?.startsWith("text/csv"))
    expect((await saved)?.suggestedFilename()).toMatch(/^calls-\d{4}-\d\d-\d\d\.csv$/);
  else await expect(page.getByText("This list cannot be saved as a table yet.")).toBeVisible();
});
