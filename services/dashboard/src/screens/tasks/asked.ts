import { flag, oneOf, type State, text } from "../../lib/url";

export const WHOSE = ["all", "me", "nobody"] as const;
export const STATUSES = ["todo", "completed", "cancelled", "any"] as const;

export const fields = { whose: oneOf(WHOSE), status: oneOf(STATUSES), overdue: flag(), assignee_id: text(), search: text(100) };
export type Asked = State<typeof fields>;

/** What the address asks, as the list's own filters: what is to do comes by when it is due, what is over by when it was made. */
export function queryOf(asked: Asked, me: string): Record<string, unknown> {
  const status = asked.status ?? "todo";
  const late = asked.overdue === true;
  return {
    ...(late ? { overdue: true } : status === "todo" ? { status: "open,overdue" } : status === "any" ? {} : { status }),
    ...(asked.assignee_id
      ? { assignee_id: asked.assignee_id }
      : asked.whose === "me"
        ? { assignee_id: me }
        : asked.whose === "nobody"
          ? { assignee_id: "none" }
          : {}),
    ...(asked.search ? { search: asked.search } : {}),
    sort: late || status === "todo" ? "due_at" : "-created_at",
  };
}
