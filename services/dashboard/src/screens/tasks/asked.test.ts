import { describe, expect, it } from "vitest";
import { read, write } from "../../lib/url";
import { fields, queryOf } from "./asked";

describe("what a list of tasks asks", () => {
  it("is what is to do, by when it is due, unless the address says else", () => {
    expect(queryOf({}, "u1")).toEqual({ status: "open,overdue", sort: "due_at" });
    expect(queryOf({ overdue: true }, "u1")).toEqual({ overdue: true, sort: "due_at" });
    expect(queryOf({ status: "completed" }, "u1")).toEqual({ status: "completed", sort: "-created_at" });
    expect(queryOf({ status: "any" }, "u1")).toEqual({ sort: "-created_at" });
  });
  it("knows mine, nobody's and a colleague's", () => {
    expect(queryOf({ whose: "me" }, "u1")).toMatchObject({ assignee_id: "u1" });
    expect(queryOf({ whose: "nobody" }, "u1")).toMatchObject({ assignee_id: "none" });
    expect(queryOf({ whose: "me", assignee_id: "u2" }, "u1")).toMatchObject({ assignee_id: "u2" });
    expect(queryOf({ whose: "all" }, "u1")).not.toHaveProperty("assignee_id");
  });
  it("stands in the address", () => {
    const asked = { whose: "me", status: "any", search: "a&b" } as const;
    expect(read(fields, write(fields, asked))).toEqual(asked);
    expect(read(fields, "?whose=them&status=open&overdue=1")).toEqual({});
  });
});
