import { useRef } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { type ItemOf, useList } from "../../api/queries";
import { count, locale, say } from "../../i18n";
import { nameOf, placeOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { when, whenInFull } from "../../lib/time";
import { text, useUrl } from "../../lib/url";
import { useMe, useZone } from "../../me";
import { Avatar, Button, Empty, ProblemNote, Rows, Skeleton, Words } from "../../ui";
import { Csv } from "../../ui/csv";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import s from "./people.module.css";
import { words } from "./words";

type Contact = ItemOf<"/api/v1/contacts">;

const fields = { search: text(100) };

function Row({ contact }: { contact: Contact }) {
  const w = say(words);
  const zone = useZone();
  const name = nameOf(contact);
  const number = phone(contact.primary_phone);
  return (
    <Link href={`/people/${contact.id}`} class={s["row"] ?? ""}>
      <Avatar name={name} />
      <b>
        <Words>{name || number || w.unknown}</Words>
      </b>
      <span class="soft num">{name && number}</span>
      <span class="soft">
        <Words>{placeOf(contact)}</Words>
      </span>
      <time class="quiet" dateTime={contact.created_at} title={whenInFull(contact.created_at, zone, locale())}>
        {w.since(when(contact.created_at, zone, locale()))}
      </time>
    </Link>
  );
}

export default function People() {
  const w = say(words);
  const me = useMe();
  const [, go] = useLocation();
  const [filter, set] = useUrl(fields);
  const found = useList("contact", "/api/v1/contacts", filter);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const narrow = useNarrow();
  return (
    <>
      <PageHead title={w.title}>
        <span class="quiet">{found.total !== undefined && `${w.total(count(found.total), found.atLeast)} ${w.people(found.total)}`}</span>
      </PageHead>
      <search class={s["bar"] ?? ""}>
        <input
          ref={input}
          class={s["find"]}
          type="search"
          data-find
          placeholder={w.search}
          aria-label={w.search}
          defaultValue={filter.search ?? ""}
          maxLength={100}
          onInput={(e) => {
            const value = e.currentTarget.value.trim();
            clearTimeout(typing.current);
            typing.current = setTimeout(() => set({ search: value || undefined } as never), 200);
          }}
          onKeyDown={(e) => {
            const first = found.items[0];
            if (e.key === "Enter" && first && !found.isPlaceholderData) go(`/people/${first.id}`);
          }}
        />
        {filter.search && (
          <Button
            look="plain"
            onClick={() => {
              if (input.current) input.current.value = "";
              set({ search: undefined } as never, "push");
            }}
          >
            {w.clear}
          </Button>
        )}
        <span class={s["end"]}>
          <Csv path="/api/v1/contacts" filter={filter} name="people" total={found.total} />
        </span>
      </search>
      <div class={s["list"]}>
        {found.isError ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : found.items.length === 0 ? (
          <Empty title={filter.search ? w.noFit : w.none}>{!filter.search && w.noneHow(phone(me.company?.texting_numbers[0]))}</Empty>
        ) : (
          <Rows
            items={found.items}
            height={narrow ? 76 : 44}
            total={found.total}
            label={w.title}
            old={found.isPlaceholderData}
            more={found.hasNextPage && !found.isFetchingNextPage ? () => void found.fetchNextPage() : undefined}
            row={(contact) => <Row contact={contact} />}
            keyOf={(contact) => contact.id}
          />
        )}
      </div>
    </>
  );
}
