import { expect, newNumber, signIn, test, watchPage } from "./fixtures";

test("who called is found and has a card: what happened, what is to do, and a text that goes out once", async ({ page, company }) => {
  const watched = watchPage(page);
  const caller = newNumber();
  const shown = `(${caller.slice(2, 5)}) ${caller.slice(5, 8)}-${caller.slice(8)}`;
  await company.call("--from", caller, "--missed");
  await signIn(page, company, "csr", "/app/people");
  await page.getByRole("searchbox", { name: /Name, number/ }).fill(caller.slice(-7));
  const rows = page.getByRole("list", { name: "People" }).getByRole("listitem");
  await expect(rows).toHaveCount(1);
  await rows.getByRole("link").click();
  await expect(page).toHaveURL(/\/app\/people\/[0-9a-f-]{36}$/);
  await expect(page.getByRole("heading", { level: 1 })).not.toHaveText("Person");
  await expect(page.getByText(shown).first()).toBeVisible();
  await expect(page.getByRole("region", { name: "Timeline" })).toContainText("Missed call");

  // a task: made, ticked, taken back
  await page.getByRole("button", { name: "Task", exact: true }).click();
  await page.getByRole("textbox", { name: "What is to be done" }).fill("Ask about the chimney");
  await page.getByRole("button", { name: "Make the task" }).click();
  const tick = page.getByRole("region", { name: "Facts" }).getByRole("button", { name: "Complete: Ask about the chimney" });
  await tick.click();
  await expect(page.getByRole("status")).toContainText("Done: Ask about the chimney");
  await expect(tick).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(tick).toBeVisible();

  // a kind stands in the address
  await page.getByRole("button", { name: /^Tasks/ }).click();
  await expect(page).toHaveURL(/kind=tasks/);
  await expect(page.getByRole("region", { name: "Timeline" })).not.toContainText("Missed call");
  await page.goBack();
  await expect(page.getByRole("region", { name: "Timeline" })).toContainText("Missed call");
  expect(watched.trouble).toEqual([]);
});

test("tasks: the address filters, a tick takes one away, Undo brings it back", async ({ page, company }) => {
  const what = `Send the quote ${Date.now()}`;
  await company.ask("csr", "POST", "/api/v1/tasks", { description: what });
  await signIn(page, company, "csr", "/app/tasks?whose=nobody");
  const row = page.getByRole("list", { name: "Tasks" }).getByRole("listitem").filter({ hasText: what });
  await expect(row).toBeVisible();
  await row.getByRole("button", { name: `Complete: ${what}` }).click();
  await expect(row).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(row).toBeVisible();
  await page.getByRole("button", { name: "Mine" }).click();
  await expect(page).toHaveURL(/whose=me/);
  await expect(row).toHaveCount(0);
});

test("who may only look is offered nothing to write", async ({ page, company }) => {
  const { data } = await company.ask("manager", "GET", "/api/v1/contacts?limit=1");
  await signIn(page, company, "executive", `/app/people/${data.items[0].id}`);
  await expect(page.getByRole("region", { name: "Timeline" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Task", exact: true })).toHaveCount(0);
  await expect(page.getByRole("textbox", { name: /^Text to/ })).toHaveCount(0);
});
