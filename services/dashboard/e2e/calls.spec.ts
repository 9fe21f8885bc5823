import { expect, newNumber, signIn, test, watchPage } from "./fixtures";

test("one click signs in, and a call that comes in is on screen without a reload", async ({ page, company }) => {
  const watched = watchPage(page);
  await signIn(page, company, "csr", "/app/calls");
  await expect(page).toHaveURL(/\/app\/calls$/);
  await expect(page.getByRole("heading", { level: 1, name: "Calls" })).toBeVisible();
  const rows = page.getByRole("list", { name: "Calls" }).getByRole("listitem");
  await expect(rows.first()).toBeVisible();
  const caller = newNumber();
  await company.call("--from", caller, "--missed");
  await expect(rows.first()).toContainText(`(${caller.slice(2, 5)}) ${caller.slice(5, 8)}-${caller.slice(8)}`);
  await expect(rows.first()).toContainText("Missed");
  expect(watched.trouble).toEqual([]);
});

test("the address is the state: a filter is in it, Back takes it away, rubbish is dropped", async ({ page, company }) => {
  await signIn(page, company, "manager", "/app/calls?status=nonsense&date_from=0000-00-00&owner_id=");
  await expect(page.getByRole("list", { name: "Calls" })).toBeVisible();
  await page.getByRole("combobox", { name: "Status" }).selectOption("completed");
  await expect(page).toHaveURL(/status=completed/);
  await expect(page.getByText("No calls fit.")).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("list", { name: "Calls" })).toBeVisible();
});

test("nothing of a token is at rest", async ({ page, company }) => {
  await signIn(page, company, "csr", "/app/calls");
  await expect(page.getByRole("list", { name: "Calls" })).toBeVisible();
  const kept = await page.evaluate(
    () => JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie + location.href,
  );
  expect(kept).not.toMatch(/eyJ|code=/);
});
