import { useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { useList } from "../../api/queries";
import { count, say } from "../../i18n";
import { nameOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { useUrl } from "../../lib/url";
import { useMe } from "../../me";
import { Button, Empty, Icon, Menu, ProblemNote, Rows, Segments, Select, Skeleton, Tag, Words } from "../../ui";
import { Csv } from "../../ui/csv";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { callOff, complete, Due, isOver, reopen, sourceOf, type Task, TaskDialog, Tick, useAhead } from "../../ui/todo";
import { useNarrow } from "../../ui/width";
import { fields, queryOf, STATUSES, WHOSE } from "./asked";
import s from "./tasks.module.css";
import { words } from "./words";

function Row({ task, writes, change }: { task: Task; writes: boolean; change: (t: Task) => void }) {
  const w = say(words);
  const [, go] = useLocation();
  const ahead = useAhead();
  const status = ahead.get(task.id) ?? task.status;
  const name = nameOf(task.contact) || phone(task.contact?.primary_phone);
  const who = task.assignee?.name ?? task.assignee_id ?? "";
  const over = isOver(status);
  return (
    <div class={s["row"]} data-over={over}>
      <Tick task={task} readOnly={!writes || status === "cancelled"} />
      <div class={s["what"]}>
        {writes ? (
          <button type="button" onClick={() => change(task)}>
            <Words>{task.description}</Words>
          </button>
        ) : (
          <span>
            <Words>{task.description}</Words>
          </span>
        )}
        {task.priority === "high" && !over && <Tag tone="warn">{w.high}</Tag>}
      </div>
      <span class={s["person"]}>
        {task.contact_card_id && (
          <Link class="link" href={`/people/${task.contact_card_id}${task.call_id ? `?at=call:${task.call_id}` : ""}`}>
            <Words>{name || task.contact_card_id.slice(0, 8)}</Words>
          </Link>
        )}
      </span>
      <span class={s["due"]}>
        <Due task={task} />
      </span>
      <span class={s["whose"]}>
        <Words>{who || w[task.assigned_to]}</Words>
        {sourceOf(task) && <small class="quiet"> {sourceOf(task)}</small>}
      </span>
      {writes ? (
        <Menu
          label={w.actions(task.description)}
          items={[
            { label: w.change, onPick: () => change(task) },
            over ? { label: w.reopen, onPick: () => void reopen(task) } : { label: w.complete, onPick: () => void complete(task) },
            ...(task.call_id ? [{ label: w.openCall, onPick: () => go(`/calls/${task.call_id}`) }] : []),
            ...(over ? [] : [{ label: w.callOff, onPick: () => void callOff(task) }]),
          ]}
        >
          <Icon name="more" />
        </Menu>
      ) : (
        <span />
      )}
    </div>
  );
}

export default function Tasks() {
  const w = say(words);
  const me = useMe();
  const [asked, set] = useUrl(fields);
  const query = queryOf(asked, me.user.id);
  const found = useList("task", "/api/v1/tasks", query);
  const [dialog, show] = useState<Task | "new" | undefined>();
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const narrow = useNarrow();
  const writes = me.user.role !== "executive";
  const filtered = Object.keys(asked).length > 0;
  const status = asked.overdue ? "overdue" : (asked.status ?? "todo");
  useKeys({
    n: (e) => {
      e.preventDefault();
      if (writes) show("new");
    },
  });
  return (
    <>
      <PageHead title={w.title}>
        <span class="quiet">{found.total !== undefined && `${w.total(count(found.total), found.atLeast)} ${w.tasks(found.total)}`}</span>
      </PageHead>
      <search class={s["bar"] ?? ""}>
        <Segments
          label={w.whose}
          value={asked.whose ?? "all"}
          options={WHOSE.map((v) => ({ value: v, label: w[v] }))}
          onChange={(v) => set({ whose: v === "all" ? undefined : v, assignee_id: undefined } as never, "push")}
        />
        <Select
          label={w.status}
          value={status}
          options={[
            { value: "todo", label: w.todo },
            { value: "overdue", label: w.overdue },
            ...STATUSES.filter((v) => v !== "todo").map((v) => ({ value: v, label: w[v] })),
          ]}
          onChange={(v) =>
            set(
              (v === "overdue"
                ? { overdue: true, status: undefined }
                : { overdue: undefined, status: v === "todo" ? undefined : v }) as never,
              "push",
            )
          }
        />
        <input
          ref={input}
          class={s["find"]}
          type="search"
          data-find
          placeholder={w.search}
          aria-label={w.search}
          defaultValue={asked.search ?? ""}
          maxLength={100}
          onInput={(e) => {
            const value = e.currentTarget.value.trim();
            clearTimeout(typing.current);
            typing.current = setTimeout(() => set({ search: value || undefined } as never), 200);
          }}
        />
        {filtered && (
          <Button
            look="plain"
            onClick={() => {
              if (input.current) input.current.value = "";
              set(Object.fromEntries(Object.keys(fields).map((k) => [k, undefined])) as never, "push");
            }}
          >
            {w.clear}
          </Button>
        )}
        <span class={s["end"]}>
          <Csv path="/api/v1/tasks" filter={query} name="tasks" total={found.total} />
        </span>
        {writes && (
          <Button look="primary" aria-keyshortcuts="n" onClick={() => show("new")}>
            {w.newTask}
          </Button>
        )}
      </search>
      <div class={s["list"]}>
        {found.isError ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : found.items.length === 0 ? (
          <Empty title={asked.overdue && !asked.search ? w.noLate : filtered ? w.noFit : w.none}>{!filtered && w.noneHow}</Empty>
        ) : (
          <Rows
            items={found.items}
            height={narrow ? 76 : 44}
            total={found.total}
            label={w.title}
            old={found.isPlaceholderData}
            more={found.hasNextPage && !found.isFetchingNextPage ? () => void found.fetchNextPage() : undefined}
            row={(task) => <Row task={task} writes={writes} change={show} />}
            keyOf={(task) => task.id}
          />
        )}
      </div>
      {dialog && <TaskDialog task={dialog === "new" ? undefined : dialog} onClose={() => show(undefined)} />}
    </>
  );
}
