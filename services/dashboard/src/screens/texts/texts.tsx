import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { Problem, type Schemas } from "../../api/client";
import { useList, useOne } from "../../api/queries";
import { locale, say } from "../../i18n";
import { safeHref } from "../../lib/href";
import { nameOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { addDays, dayOf, now, sayDay, span, when, whenInFull } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Avatar, Button, Empty, Icon, ProblemNote, Rows, Skeleton, Tag, Words } from "../../ui";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { Bubble } from "../../ui/texting/bubble";
import { Composer } from "../../ui/texting/composer";
import { useOptOuts } from "../../ui/texting/optouts";
import s from "./texts.module.css";
import { type Thread, threadsOf } from "./threads";
import { words } from "./words";

type Contact = Schemas["ContactDetail"];
type Message = Schemas["MessageItem"];

const INPUT = "texts-text";
const ROW = 68;

/** So that a clock that runs is seen to run. */
function useMinute(): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
}

function Row({ thread, chosen }: { thread: Thread; chosen: boolean }) {
  const w = say(words);
  const zone = useZone();
  const name = nameOf(thread.person) || phone(thread.number) || w.unknown;
  const text = thread.last.body || (thread.last.media.length > 0 ? w.picture : "");
  return (
    <Link href={`/texts/${thread.contact}`} class={s["row"] ?? ""} aria-current={chosen ? "page" : undefined} data-thread={thread.contact}>
      <Avatar name={nameOf(thread.person)} />
      <b>
        <Words>{name}</Words>
      </b>
      <time dateTime={thread.last.sent_at} title={whenInFull(thread.last.sent_at, zone, locale())}>
        {when(thread.last.sent_at, zone, locale())}
      </time>
      <span class="soft">
        <Words>{thread.last.direction === "outbound" ? w.us(text) : text}</Words>
      </span>
      {thread.waitsSince && (
        <Tag tone="warn">
          <Icon name="clock" size={12} />
          {w.waits(span(now() - Date.parse(thread.waitsSince)))}
        </Tag>
      )}
    </Link>
  );
}

function List({ chosen }: { chosen: string | undefined }) {
  const w = say(words);
  const me = useMe();
  const [, go] = useLocation();
  const found = useList("message", "/api/v1/messages", {}, { limit: 100 });
  const [sought, seek] = useState("");
  useMinute();
  const all = useMemo(() => threadsOf(found.items), [found.items]);
  const digits = sought.replace(/\D/g, "");
  const threads = sought
    ? all.filter(
        (t) =>
          nameOf(t.person).toLowerCase().includes(sought.toLowerCase()) ||
          (digits.length >= 3 && t.number.replace(/\D/g, "").includes(digits)),
      )
    : all;
  const waiting = all.filter((t) => t.waitsSince).length;
  const move = (by: number) => {
    const at = threads.findIndex((t) => t.contact === chosen);
    const next = threads[at < 0 ? 0 : Math.max(0, Math.min(threads.length - 1, at + by))];
    if (next) go(`/texts/${next.contact}`);
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
  const more = found.hasNextPage && !found.isFetchingNextPage;
  return (
    <section class={s["list"]} aria-label={w.conversations}>
      <div class={s["find"]}>
        <input
          type="search"
          data-find
          placeholder={w.search}
          aria-label={w.search}
          value={sought}
          maxLength={100}
          onInput={(e) => seek(e.currentTarget.value.trim())}
        />
        {found.data && all.length > 0 && <small class="quiet">{waiting > 0 ? w.unanswered(waiting) : w.allAnswered}</small>}
      </div>
      {found.isError ? (
        <ProblemNote error={found.error} retry={() => void found.refetch()} />
      ) : found.isPending ? (
        <Skeleton />
      ) : all.length === 0 ? (
        <Empty title={w.none}>{w.noneHow(phone(me.company?.texting_numbers[0]))}</Empty>
      ) : threads.length === 0 ? (
        <Empty title={w.noFit} />
      ) : (
        <Rows
          items={threads}
          height={ROW}
          label={w.conversations}
          more={more && !sought ? () => void found.fetchNextPage() : undefined}
          row={(t) => <Row thread={t} chosen={t.contact === chosen} />}
          keyOf={(t) => t.contact}
        />
      )}
      {found.hasNextPage && (
        <Button look="plain" disabled={!more} onClick={() => void found.fetchNextPage()}>
          {w.older}
        </Button>
      )}
    </section>
  );
}

function Days({ messages }: { messages: Message[] }) {
  const w = say(words);
  const zone = useZone();
  const today = dayOf(now(), zone);
  let before = "";
  return (
    <ol>
      {messages.map((m) => {
        const day = dayOf(Date.parse(m.sent_at), zone);
        const head = day !== before;
        before = day;
        return (
          <li key={m.id}>
            {head && (
              <h2 class={s["day"]}>
                {day === today
                  ? w.today
                  : day === addDays(today, -1)
                    ? w.yesterday
                    : sayDay(day, locale(), {
                        weekday: "long",
                        month: "long",
                        day: "numeric",
                        ...(day.slice(0, 4) === today.slice(0, 4) ? {} : { year: "numeric" }),
                      })}
              </h2>
            )}
            <Bubble message={m} />
          </li>
        );
      })}
    </ol>
  );
}

/** So near to the end that what is new may move the view. */
const NEAR_PX = 80;

function Conversation({ contact }: { contact: Contact }) {
  const w = say(words);
  const name = nameOf(contact);
  const number = contact.primary_phone ?? "";
  const found = useList("message", "/api/v1/contacts/{contact_id}/messages", { sort: "-sent_at" }, { params: { contact_id: contact.id } });
  const messages = useMemo(() => [...found.items].reverse(), [found.items]);
  const optOuts = useOptOuts(contact.primary_phone);
  const box = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const first = messages[0]?.id;
  const last = messages.at(-1)?.id;
  useLayoutEffect(() => {
    const b = box.current;
    if (!b) return;
    // older ones above leave what is read where it is
    if (!atEnd.current && first !== undefined) b.scrollTop += b.scrollHeight - height.current;
    height.current = b.scrollHeight;
  }, [first]);
  useLayoutEffect(() => {
    const b = box.current;
    if (!b || last === undefined) return;
    const toEnd = () => {
      if (atEnd.current) b.scrollTop = b.scrollHeight;
      height.current = b.scrollHeight;
    };
    toEnd();
    const watch = new ResizeObserver(toEnd);
    for (const child of b.children) watch.observe(child);
    return () => watch.disconnect();
  }, [last]);
  useKeys({
    t: (e) => {
      e.preventDefault();
      document.getElementById(INPUT)?.focus();
    },
    c: () => document.getElementById("texts-call")?.click(),
  });
  const tel = safeHref(number ? `tel:${number}` : undefined);
  return (
    <>
      <div class={s["head"]}>
        <Link href="/texts" class={s["back"] ?? ""} aria-label={w.back}>
          <Icon name="left" />
        </Link>
        <Avatar name={name} />
        <div class={s["who"]}>
          <b>
            <Words>{name || phone(number) || w.unknown}</Words>
          </b>
          <span class="soft num">{name && phone(number)}</span>
        </div>
        {optOuts.known && <Tag tone={optOuts.active ? "bad" : "good"}>{optOuts.active ? w.noTexts : w.welcome}</Tag>}
        <div class={s["acts"]}>
          {tel && (
            <a class={s["act"]} id="texts-call" href={tel}>
              <Icon name="call" />
              {w.call}
            </a>
          )}
          <Link class={s["act"] ?? ""} href={`/people/${contact.id}`}>
            <Icon name="user" />
            {w.card}
          </Link>
        </div>
      </div>
      <section
        ref={box}
        class={s["flow"]}
        aria-label={w.thread(name || phone(number))}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it
        tabIndex={0}
        onScroll={(e) => {
          const b = e.currentTarget;
          atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < NEAR_PX;
        }}
      >
        {found.hasNextPage && (
          <div class={s["older"]}>
            <Button
              disabled={found.isFetchingNextPage}
              onClick={() => {
                atEnd.current = false;
                height.current = box.current?.scrollHeight ?? 0;
                void found.fetchNextPage();
              }}
            >
              {w.older}
            </Button>
          </div>
        )}
        {found.isError && <ProblemNote error={found.error} retry={() => void found.refetch()} />}
        {found.isPending && <Skeleton rows={4} />}
        {found.data && messages.length === 0 && <p class={s["nothing"]}>{w.nothing}</p>}
        <Days messages={messages} />
      </section>
      {number && (
        <div class={s["writing"]}>
          <Composer contact={contact.id} name={name || phone(number)} number={number} optOut={optOuts.active} inputId={INPUT} />
        </div>
      )}
    </>
  );
}

export default function Texts({ params }: { params: { contact?: string } }) {
  const w = say(words);
  const chosen = params.contact;
  const person = useOne<Contact>("contact", "/api/v1/contacts/{contact_id}", { contact_id: chosen ?? "" }, chosen !== undefined);
  const gone = person.error instanceof Problem && [400, 404, 422].includes(person.error.status);
  return (
    <>
      <PageHead title={w.title} about={chosen && person.data ? nameOf(person.data) || phone(person.data.primary_phone) : undefined} />
      <div class={s["page"]} data-chosen={chosen !== undefined}>
        <List chosen={chosen} />
        <div class={s["thread"]}>
          {chosen === undefined ? (
            <Empty title={w.pick} />
          ) : gone ? (
            <Empty title={w.gone}>
              <Link href="/texts" class="link">
                {w.back}
              </Link>
            </Empty>
          ) : person.isError && !person.data ? (
            <ProblemNote error={person.error} retry={() => void person.refetch()} />
          ) : person.data ? (
            <Conversation key={person.data.id} contact={person.data} />
          ) : (
            <Skeleton rows={4} />
          )}
        </div>
      </div>
    </>
  );
}
