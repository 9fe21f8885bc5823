import { useCallback, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { Problem, type Schemas } from "../../api/client";
import { queries, useOne } from "../../api/queries";
import { write } from "../../api/write";
import { say } from "../../i18n";
import { safeHref } from "../../lib/href";
import { nameOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { addDays, dayOf, now } from "../../lib/time";
import { type Field, oneOf, seconds, useUrl, write as written } from "../../lib/url";
import { useMe, zoneOf } from "../../me";
import { Avatar, Button, Empty, Icon, Menu, notice, ProblemNote, Skeleton, Tag, Words } from "../../ui";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { Composer } from "../../ui/texting/composer";
import { mayTakeBack, OptOutDialog, useOptOuts } from "../../ui/texting/optouts";
import { TaskDialog } from "../../ui/todo";
import { useNarrow } from "../../ui/width";
import { WordTag } from "../../ui/words";
import { Facts } from "./facts";
import { countsOf, KINDS, momentsOf } from "./moments";
import s from "./people.module.css";
import { Side } from "./side";
import { Timeline } from "./timeline";
import { words } from "./words";

type Detail = Schemas["ContactDetail"];

/** call:100036 */
const call = (): Field<number> => ({
  read: (t) => {
    const id = /^call:(\d{1,16})$/.exec(t)?.[1];
    return id ? Number(id) : undefined;
  },
  write: (v) => `call:${v}`,
});
const fields = { at: call(), t: seconds(), kind: oneOf(KINDS) };
const NEWEST = 200;
const INPUT = "card-text";

function Head({ d, optedOut, known, dialogs }: { d: Detail; optedOut: boolean; known: boolean; dialogs: Dialogs }) {
  const w = say(words);
  const me = useMe();
  const role = me.user.role ?? "";
  const name = nameOf(d);
  const number = phone(d.primary_phone);
  const lead = d.leads[0];
  const book = lead && !lead.closed_at ? `/calendar/day/${addDays(dayOf(now(), zoneOf(me)), 1)}?lead=${lead.id}` : undefined;
  const office = role === "csr" || role === "manager";
  const tel = safeHref(d.primary_phone ? `tel:${d.primary_phone}` : undefined);
  const claim = async () => {
    try {
      await write("POST", "/api/v1/leads/{lead_id}/claim", { path: { lead_id: lead!.id } });
      notice(w.claimed);
    } catch (e) {
      notice(e instanceof Error ? e.message : String(e));
    }
    void queries.invalidateQueries({ queryKey: ["contact"] });
  };
  return (
    <div class={s["head"]}>
      <Avatar name={name} />
      <div class={s["who"]}>
        <div class={s["name"]}>
          <Words>{name || number || w.unknown}</Words>
        </div>
        <div class={s["tags"]}>
          {name && <span class="soft num">{number}</span>}
          {lead && <WordTag word={lead.status} names={w} />}
          {known && <Tag tone={optedOut ? "bad" : "good"}>{optedOut ? w.noTexts : w.welcome}</Tag>}
        </div>
      </div>
      <div class={s["acts"]}>
        {tel && (
          <a class={s["callBack"]} id="card-call" href={tel}>
            <Icon name="call" />
            {w.callBack}
          </a>
        )}
        {role !== "executive" && (
          <>
            <Button big disabled={optedOut} onClick={() => document.getElementById(INPUT)?.focus()}>
              <Icon name="text" />
              {w.text}
            </Button>
            {office && book && (
              <Link class={s["book"] ?? ""} id="card-book" href={book}>
                <Icon name="book" />
                {w.book}
              </Link>
            )}
            <Button big onClick={dialogs.task}>
              <Icon name="tasks" />
              {w.task}
            </Button>
          </>
        )}
        <Menu
          label={w.more}
          items={[
            ...(office && lead && lead.pool_status === "in_pool" ? [{ label: w.claim, onPick: () => void claim() }] : []),
            ...(d.primary_phone
              ? [{ label: w.copy, onPick: () => void navigator.clipboard.writeText(d.primary_phone!).then(() => notice(w.copied)) }]
              : []),
            ...(office && known && !optedOut && d.primary_phone ? [{ label: w.enterOptOut, onPick: dialogs.optOut }] : []),
            ...(dialogs.takeBack ? [{ label: w.takeBack, onPick: dialogs.takeBack }] : []),
          ]}
        >
          <Icon name="more" />
        </Menu>
      </div>
    </div>
  );
}

interface Dialogs {
  task: () => void;
  optOut: () => void;
  takeBack: (() => void) | undefined;
}

function Card({ d }: { d: Detail }) {
  const w = say(words);
  const me = useMe();
  const narrow = useNarrow();
  const [path] = useLocation();
  const [asked, set] = useUrl(fields);
  const [dialog, show] = useState<"task" | "optOut" | "takeBack" | undefined>();
  const name = nameOf(d);
  const who = name.split(" ")[0] || phone(d.primary_phone) || w.unknown;
  const optOuts = useOptOuts(d.primary_phone);
  const moments = useMemo(() => momentsOf(d, optOuts.all, now()), [d, optOuts.all]);
  const counts = countsOf(moments);
  const answered = d.calls.find((c) => c.answered || c.status === "voicemail")?.call_id ?? d.calls[0]?.call_id;
  const chosen = asked.at ?? answered;
  const chosenCall = useOne<Schemas["CallDetail"]>("call", "/api/v1/calls/{call_id}", { call_id: chosen ?? 0 }, chosen !== undefined);
  const factsCall = useOne<Schemas["CallDetail"]>("call", "/api/v1/calls/{call_id}", { call_id: answered ?? 0 }, answered !== undefined);
  const writes = me.user.role !== "executive";
  useKeys({
    c: () => document.getElementById("card-call")?.click(),
    b: () => document.getElementById("card-book")?.click(),
    t: (e) => {
      e.preventDefault();
      document.getElementById(INPUT)?.focus();
    },
  });
  const mine = optOuts.active && mayTakeBack(optOuts.active, me.user.role);
  const close = () => show(undefined);
  const rest = useCallback((t: number) => set({ at: chosen, t: Math.floor(t) || undefined } as never), [set, chosen]);
  const capped = [d.calls, d.messages, d.voicemails, d.appointments, d.tasks].some((x) => x.length >= NEWEST);
  const hrefOf = (id: number) => (narrow ? `/calls/${id}` : path + written(fields, { ...asked, at: id, t: undefined } as never));
  const facts = <Facts d={d} call={factsCall.data} optOuts={optOuts.all} known={optOuts.known} />;
  return (
    <div class={s["page"]} data-chosen={asked.at !== undefined}>
      <Head
        d={d}
        optedOut={optOuts.active !== undefined}
        known={optOuts.known}
        dialogs={{ task: () => show("task"), optOut: () => show("optOut"), takeBack: mine ? () => show("takeBack") : undefined }}
      />
      {narrow ? (
        <details class={s["fold"]}>
          <summary>{w.facts}</summary>
          {facts}
        </details>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it
        <section class={s["facts"]} aria-label={w.facts} tabIndex={0}>
          {facts}
        </section>
      )}
      <div class={s["middle"]}>
        <fieldset class={s["kinds"]} aria-label={w.show}>
          <button type="button" aria-pressed={asked.kind === undefined} onClick={() => set({ kind: undefined } as never, "push")}>
            {w.everything}
          </button>
          {KINDS.map((k) => (
            <button key={k} type="button" aria-pressed={asked.kind === k} onClick={() => set({ kind: k } as never, "push")}>
              {w[k]} {counts[k] > 0 && <span class="num">{counts[k]}</span>}
            </button>
          ))}
        </fieldset>
        <Timeline moments={moments} kind={asked.kind} who={who} chosen={narrow ? undefined : chosen} hrefOf={hrefOf} capped={capped} />
        {d.primary_phone && (
          <div class={s["writing"]}>
            <Composer
              contact={d.id}
              name={name || phone(d.primary_phone)}
              number={d.primary_phone}
              optOut={optOuts.active}
              inputId={INPUT}
            />
          </div>
        )}
      </div>
      {!narrow && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it
        <section class={s["side"]} aria-label={w.chosen} tabIndex={0}>
          {chosen === undefined ? (
            <p class="quiet">{w.noneChosen}</p>
          ) : (
            <Side
              call={chosenCall.data}
              error={chosenCall.error}
              retry={() => void chosenCall.refetch()}
              at={asked.t}
              rest={rest}
              close={path + written(fields, { ...asked, at: undefined, t: undefined } as never)}
            />
          )}
        </section>
      )}
      {dialog === "task" && writes && (
        <TaskDialog
          contact={{ id: d.id, name: name || phone(d.primary_phone), lead: d.leads.find((l) => !l.closed_at)?.id }}
          onClose={close}
        />
      )}
      {(dialog === "optOut" || dialog === "takeBack") && d.primary_phone && (
        <OptOutDialog phone={d.primary_phone} takeBack={dialog === "takeBack" ? optOuts.active : undefined} onClose={close} />
      )}
    </div>
  );
}

export default function Person({ params }: { params: { contact: string } }) {
  const w = say(words);
  const found = useOne<Detail>("contact", "/api/v1/contacts/{contact_id}", { contact_id: params.contact });
  if (found.isError && !found.data) {
    const gone = found.error instanceof Problem && (found.error.status === 404 || found.error.status === 422 || found.error.status === 400);
    return (
      <>
        <PageHead title={w.person} />
        {gone ? (
          <Empty title={w.gone}>
            <Link href="/people" class="link">
              {w.back}
            </Link>
          </Empty>
        ) : (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        )}
      </>
    );
  }
  return (
    <>
      <PageHead title={w.person} about={found.data ? nameOf(found.data) || phone(found.data.primary_phone) || w.unknown : undefined} />
      {found.data ? <Card key={found.data.id} d={found.data} /> : <Skeleton />}
    </>
  );
}
