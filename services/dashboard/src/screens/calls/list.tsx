import { useRef } from "preact/hooks";
import { Link } from "wouter";
import { type ItemOf, useAnswer, useList } from "../../api/queries";
import { count, say } from "../../i18n";
import { phone } from "../../lib/phone";
import { duration, when, whenInFull } from "../../lib/time";
import { anyOf, day, flag, oneOf, text, useUrl } from "../../lib/url";
import { useMe, useZone } from "../../me";
import { Button, Empty, Icon, ProblemNote, Rows, Select, Skeleton, Words } from "../../ui";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import { WordTag } from "../../ui/words";
import s from "./calls.module.css";
import { nameOf } from "./names";
import { words } from "./words";

type CallRow = ItemOf<"/api/v1/calls">;

const STATUSES = ["ringing", "in_progress", "completed", "missed", "voicemail", "failed"] as const;
const BOOKINGS = ["booked", "not_booked", "service_not_offered"] as const;
const fields = {
  status: oneOf(STATUSES),
  booking_status: oneOf(BOOKINGS),
  owner_id: text(),
  contact_card_id: text(),
  search: text(100),
  date_from: day(),
  date_to: day(),
  direction: oneOf(["inbound", "outbound"]),
  missed_call: flag(),
  answered: flag(),
  analysed: flag(),
  qualified: flag(),
  lead_quality: anyOf(["hot", "warm", "cold", "unqualified"]),
  objection: text(),
};
/** Filters without a control of their own: figures lead here with them, a chip each says so and takes it away. */
const TOLD = ["direction", "missed_call", "answered", "analysed", "qualified", "lead_quality", "objection", "owner_id"] as const;

function Told({ filter, set }: { filter: Record<string, unknown>; set: (part: never, how: "push") => void }) {
  const w = say(words);
  const me = useMe();
  const people = useAnswer<{ items: { id: string; name: string | null }[] }>("user", "/api/v1/people", {}, Boolean(filter["owner_id"]));
  const text = (name: (typeof TOLD)[number], value: unknown) => {
    if (typeof value === "boolean") return w[`${name as "answered"}_${value}`] as string;
    const named = (v: string) =>
      name !== "owner_id"
        ? typeof w[v as "hot"] === "string"
          ? (w[v as "hot"] as string)
          : v.replaceAll("_", " ")
        : v === "none"
          ? w.nobody
          : v === me.user.id
            ? w.mine
            : (people.data?.items.find((p) => p.id === v)?.name ?? v);
    const all = String(value).split(",").map(named).join(", ");
    return name === "objection" ? w.objected(all) : name === "owner_id" ? w.whose(all) : all;
  };
  return (
    <>
      {TOLD.filter((name) => filter[name] !== undefined).map((name) => (
        <button key={name} type="button" class={s["chip"]} onClick={() => set({ [name]: undefined } as never, "push")}>
          <Words>{text(name, filter[name])}</Words>
          <span class="sr">{w.takeAway}</span>
          <Icon name="close" size={12} />
        </button>
      ))}
    </>
  );
}

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

export default function Calls() {
  const w = say(words);
  const me = useMe();
  const [filter, set] = useUrl(fields);
  const found = useList("call", "/api/v1/calls", filter);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const filtered = Object.keys(filter).length > 0;
  const narrow = useNarrow();
  return (
    <>
      <PageHead title={w.title}>
        <span class="quiet">{found.total !== undefined && `${w.total(count(found.total), found.atLeast)} ${w.calls(found.total)}`}</span>
      </PageHead>
      <search class={s["bar"] ?? ""}>
        <input
          class={s["find"]}
          type="search"
          data-find
          placeholder={w.search}
          aria-label={w.search}
          value={filter.search ?? ""}
          maxLength={100}
          onInput={(e) => {
            const value = e.currentTarget.value.trim();
            clearTimeout(typing.current);
            typing.current = setTimeout(() => set({ search: value || undefined } as never), 200);
          }}
        />
        <Select
          label={w.status}
          value={filter.status ?? ""}
          options={[{ value: "", label: w.any }, ...STATUSES.map((v) => ({ value: v, label: w[v] }))]}
          onChange={(v) => set({ status: v } as never, "push")}
        />
        <Select
          label={w.booking}
          value={filter.booking_status ?? ""}
          options={[{ value: "", label: w.anyBooking }, ...BOOKINGS.map((v) => ({ value: v, label: w[v] }))]}
          onChange={(v) => set({ booking_status: v } as never, "push")}
        />
        <input
          class={s["find"]}
          style={{ width: "150px" }}
          type="date"
          aria-label={w.from}
          value={filter.date_from ?? ""}
          onChange={(e) => set({ date_from: e.currentTarget.value || undefined } as never, "push")}
        />
        <input
          class={s["find"]}
          style={{ width: "150px" }}
          type="date"
          aria-label={w.to}
          value={filter.date_to ?? ""}
          onChange={(e) => set({ date_to: e.currentTarget.value || undefined } as never, "push")}
        />
        <Told filter={filter} set={set as never} />
        {filtered && (
          <Button look="plain" onClick={() => set(Object.fromEntries(Object.keys(fields).map((k) => [k, undefined])) as never, "push")}>
            {w.clear}
          </Button>
        )}
      </search>
      <div class={s["list"]}>
        {found.isError ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : found.items.length === 0 ? (
          <Empty title={filtered ? w.noFit : w.none}>{!filtered && w.noneHow(phone(me.company?.texting_numbers[0]))}</Empty>
        ) : (
          <Rows
            items={found.items}
            height={narrow ? 76 : 44}
            total={found.total}
            label={w.title}
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
