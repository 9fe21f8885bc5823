import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter";
import { usePeople } from "../../api/people";
import { type ItemOf, useList } from "../../api/queries";
import { count, say } from "../../i18n";
import { phone } from "../../lib/phone";
import { dayOf, duration, now, sayDay, when, whenInFull } from "../../lib/time";
import { useUrl, write } from "../../lib/url";
import { useMe, useZone } from "../../me";
import { Button, cx, Empty, Icon, ProblemNote, Rows, Select, Skeleton, Words } from "../../ui";
import { Csv } from "../../ui/csv";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import { WordTag } from "../../ui/words";
import s from "./calls.module.css";
import { BOOKINGS, type Filter, fields, PRESETS, presetOf, STATUSES, spanOf } from "./filters";
import { nameOf } from "./names";
import { words } from "./words";

type CallRow = ItemOf<"/api/v1/calls">;
type Set = (part: Filter, how?: "push") => void;

function Row({ call }: { call: CallRow }) {
  const w = say(words);
  const zone = useZone();
  const name = nameOf((call as { contact?: { first_name?: string | null; last_name?: string | null } }).contact);
  return (
    <Link href={`/calls/${call.call_id}`} class={s["row"] ?? ""}>
      <time dateTime={call.started_at ?? undefined} title={call.started_at ? whenInFull(call.started_at, zone) : undefined}>
        {when(call.started_at, zone)}
      </time>
      <span>
        <b>
          <Words>{name || phone(call.phone_number) || w.unknown}</Words>
        </b>
        {name && <span class="quiet"> {phone(call.phone_number)}</span>}
      </span>
      <span>
        <WordTag word={call.status} names={w} />
      </span>
      <span class="soft">
        <Words>{call.note || call.source || ""}</Words>
      </span>
      <span>
        <WordTag word={call.booking_status} names={w} />
      </span>
      <span class={s["end"]}>{call.duration === null ? "" : duration(call.duration)}</span>
    </Link>
  );
}

/** A filter that stands in the address and has no control of its own, with a way out of it. */
function Chips({ filter, set }: { filter: Filter; set: Set }) {
  const w = say(words);
  const me = useMe();
  const person = usePeople();
  const one = (v: string) => {
    const said = (w as Record<string, unknown>)[v];
    return typeof said === "string" ? said : v.replaceAll("_", " ");
  };
  const list = (v: string) => v.split(",").map(one).join(", ");
  const said: Partial<Record<keyof Filter, string>> = {
    ...(filter.status?.includes(",") ? { status: list(filter.status) } : {}),
    ...(filter.booking_status?.includes(",") ? { booking_status: list(filter.booking_status) } : {}),
    ...(filter.direction ? { direction: one(filter.direction) } : {}),
    ...(filter.answered === undefined ? {} : { answered: w[`answered_${filter.answered}`] }),
    ...(filter.missed_call === undefined ? {} : { missed_call: w[`missed_call_${filter.missed_call}`] }),
    ...(filter.analysed === undefined ? {} : { analysed: w[`analysed_${filter.analysed}`] }),
    ...(filter.qualified === undefined ? {} : { qualified: w[`qualified_${filter.qualified}`] }),
    ...(filter.lead_quality ? { lead_quality: list(filter.lead_quality) } : {}),
    ...(filter.call_outcome_category ? { call_outcome_category: list(filter.call_outcome_category) } : {}),
    ...(filter.objection ? { objection: w.objected(list(filter.objection)) } : {}),
    ...(filter.owner_id
      ? {
          owner_id: w.whose(
            filter.owner_id
              .split(",")
              .map((id) => (id === "none" ? w.nobody : id === me.user.id ? w.mine : (person(id) ?? w.somebody)))
              .join(", "),
          ),
        }
      : {}),
    ...(filter.source ? { source: `${w.source}: ${filter.source}` } : {}),
    ...(filter.campaign ? { campaign: `${w.campaign}: ${filter.campaign}` } : {}),
    ...(filter.tag ? { tag: `${w.tags}: ${filter.tag}` } : {}),
    ...(filter.duration_min === undefined ? {} : { duration_min: w.atLeastLong(duration(filter.duration_min)) }),
    ...(filter.contact_card_id ? { contact_card_id: w.onePerson } : {}),
    ...(filter.lead_id ? { lead_id: w.oneLead } : {}),
    ...(filter.phone ? { phone: phone(filter.phone) } : {}),
    ...(filter.ids ? { ids: w.chosen(filter.ids.split(",").length) } : {}),
  };
  const all = Object.entries(said) as [keyof Filter, string][];
  if (all.length === 0) return null;
  return (
    <ul class={s["chips"]} aria-label={w.filters}>
      {all.map(([name, text]) => (
        <li key={name}>
          <button type="button" class={s["chip"]} onClick={() => set({ [name]: undefined } as Filter, "push")}>
            <Words>{text}</Words>
            <span class="sr">{w.takeAway}</span>
            <Icon name="close" size={12} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What is typed stands at once; what is asked for follows when the fingers rest. */
function Find({ value, set }: { value: string; set: (v: string | undefined) => void }) {
  const w = say(words);
  const [typed, setTyped] = useState(value);
  const wait = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const asked = useRef(value);
  useEffect(() => {
    if (value !== asked.current) setTyped(value);
    asked.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(wait.current), []);
  return (
    <input
      class={s["find"]}
      type="search"
      data-find
      placeholder={w.search}
      aria-label={w.search}
      value={typed}
      maxLength={100}
      onInput={(e) => {
        const next = e.currentTarget.value;
        setTyped(next);
        clearTimeout(wait.current);
        wait.current = setTimeout(() => {
          asked.current = next.trim();
          set(next.trim() || undefined);
        }, 200);
      }}
    />
  );
}

function Presets({ filter, set }: { filter: Filter; set: Set }) {
  const w = say(words);
  const zone = useZone();
  const today = dayOf(now(), zone);
  const chosen = presetOf(filter, today);
  return (
    <fieldset class={s["presets"]} aria-label={w.when}>
      {PRESETS.map((p) => (
        <button
          key={p}
          type="button"
          aria-pressed={p === chosen}
          onClick={() => set(p === chosen ? { date_from: undefined as never, date_to: undefined as never } : spanOf(p, today), "push")}
        >
          {w[p]}
        </button>
      ))}
    </fieldset>
  );
}

function Controls({ filter, set }: { filter: Filter; set: Set }) {
  const w = say(words);
  return (
    <>
      <Select
        label={w.status}
        value={(filter.status ?? "") as (typeof STATUSES)[number]}
        options={[{ value: "", label: w.any }, ...STATUSES.map((v) => ({ value: v, label: w[v] }))]}
        onChange={(v) => set({ status: v as string }, "push")}
      />
      <Select
        label={w.booking}
        value={(filter.booking_status ?? "") as (typeof BOOKINGS)[number]}
        options={[{ value: "", label: w.anyBooking }, ...BOOKINGS.map((v) => ({ value: v, label: w[v] }))]}
        onChange={(v) => set({ booking_status: v as string }, "push")}
      />
      <input
        class={s["date"]}
        type="date"
        aria-label={w.from}
        value={filter.date_from ?? ""}
        max={filter.date_to}
        onChange={(e) => set({ date_from: e.currentTarget.value || (undefined as never) }, "push")}
      />
      <input
        class={s["date"]}
        type="date"
        aria-label={w.to}
        value={filter.date_to ?? ""}
        min={filter.date_from}
        onChange={(e) => set({ date_to: e.currentTarget.value || (undefined as never) }, "push")}
      />
    </>
  );
}

/** Why there are no rows, and what next. */
function None({ filter, clear }: { filter: Filter; clear: () => void }) {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  if (Object.keys(filter).length === 0) return <Empty title={w.none}>{w.noneHow(phone(me.company?.texting_numbers[0]))}</Empty>;
  const preset = presetOf(filter, dayOf(now(), zone));
  const only = Object.keys(filter).length === 2;
  return (
    <Empty title={preset && only ? w[`none_${preset}`] : w.noFit}>
      <Button onClick={clear}>{w.clear}</Button>
    </Empty>
  );
}

export default function Calls() {
  const w = say(words);
  const zone = useZone();
  const [filter, set] = useUrl(fields) as [Filter, Set];
  const found = useList("call", "/api/v1/calls", filter);
  const narrow = useNarrow();
  const [open, setOpen] = useState(false);
  const filtered = Object.keys(filter).length > 0;
  const clear = () => set(Object.fromEntries(Object.keys(fields).map((k) => [k, undefined])) as Filter, "push");
  const range = presetOf(filter, dayOf(now(), zone)) ? "" : [filter.date_from, filter.date_to].map((d) => (d ? sayDay(d) : "")).join(" – ");
  return (
    <>
      <PageHead title={w.title}>
        <span class="quiet" role="status">
          {found.total !== undefined && `${w.total(count(found.total), found.atLeast)} ${w.calls(found.total)}`}
          {range.length > 3 && `, ${range}`}
        </span>
        <Csv path="/api/v1/calls" filter={filter} name="calls" total={found.total} />
      </PageHead>
      <search class={s["bar"] ?? ""}>
        <Find value={filter.search ?? ""} set={(search) => set({ search: search as string })} />
        <Presets filter={filter} set={set} />
        {narrow ? (
          <Button aria-expanded={open} onClick={() => setOpen(!open)}>
            {w.filters}
          </Button>
        ) : (
          <Controls filter={filter} set={set} />
        )}
        {narrow && open && (
          <div class={s["more"]}>
            <Controls filter={filter} set={set} />
          </div>
        )}
        <Chips filter={filter} set={set} />
        {filtered && (
          <Button look="plain" onClick={clear}>
            {w.clear}
          </Button>
        )}
      </search>
      {!narrow && (
        <div class={cx(s["row"], s["heads"])} aria-hidden="true">
          <span>{w.began}</span>
          <span>{w.customer}</span>
          <span>{w.status}</span>
          <span>{w.note}</span>
          <span>{w.booking}</span>
          <span class={s["end"]}>{w.duration}</span>
        </div>
      )}
      <div class={s["list"]}>
        {found.isError && found.items.length === 0 ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : found.items.length === 0 ? (
          <None filter={filter} clear={clear} />
        ) : (
          <Rows
            items={found.items}
            height={narrow ? 76 : 44}
            total={found.total}
            label={w.title}
            list={`calls${write(fields, filter)}`}
            old={found.isPlaceholderData}
            more={found.hasNextPage && !found.isFetchingNextPage ? () => void found.fetchNextPage() : undefined}
            row={(call) => <Row call={call} />}
            keyOf={(call) => call.call_id}
          />
        )}
      </div>
    </>
  );
}
