import { useEffect, useState } from "preact/hooks";
import { api, of, type Schemas } from "../../api/client";
import { locale, say } from "../../i18n";
import { when, whenInFull } from "../../lib/time";
import { useZone } from "../../me";
import { cx, Words } from "..";
import { delivery, wentWrong } from "./delivery";
import s from "./texting.module.css";
import { words } from "./words";

export type Message = Schemas["Message"];
type Media = Message["media"][number];

const SHOWN = /^image\/(png|jpeg|gif|webp)$/;

/** A picture comes with our token, so it is fetched and shown from memory. */
function Picture({ message, media }: { message: string; media: Media }) {
  const w = say(words);
  const [source, setSource] = useState<string | undefined>();
  const [failed, setFailed] = useState(false);
  const [wanted, setWanted] = useState(SHOWN.test(media.content_type ?? ""));
  useEffect(() => {
    if (!wanted || media.state !== "stored") return;
    const stop = new AbortController();
    let made: string | undefined;
    of(
      (api.GET as any)("/api/v1/messages/{message_id}/media/{n}", {
        params: { path: { message_id: message, n: media.n } },
        parseAs: "blob",
        signal: stop.signal,
      }) as Promise<{ data?: Blob; response: Response }>,
    ).then(
      (blob) => {
        made = URL.createObjectURL(blob);
        setSource(made);
      },
      () => stop.signal.aborted || setFailed(true),
    );
    return () => {
      stop.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [message, media.n, media.state, wanted]);
  if (media.state === "pending") return <p class={s["noPicture"]}>{w.fetching}</p>;
  if (media.state === "too_large") return <p class={s["noPicture"]}>{w.tooLarge}</p>;
  if (media.state === "failed" || failed)
    return (
      <p class={s["noPicture"]}>
        <Words>{media.why ? w.because(w.noPicture.replace(/\.$/, ""), media.why) : w.noPicture}</Words>
      </p>
    );
  if (!wanted)
    return (
      <p class={s["noPicture"]}>
        <Words>{w.attachment(media.content_type ?? "")}</Words>{" "}
        <button type="button" class="link" onClick={() => setWanted(true)}>
          {w.show}
        </button>
      </p>
    );
  if (source && !SHOWN.test(media.content_type ?? ""))
    return (
      <a class="link" href={source} download={`text-${media.n}`}>
        {w.attachment(media.content_type ?? "")}
      </a>
    );
  return (
    <a class={s["picture"]} href={source ?? ""} target="_blank" rel="noopener" aria-label={w.picture(media.n + 1)}>
      {source ? <img src={source} alt={w.picture(media.n + 1)} onError={() => setFailed(true)} /> : <i />}
    </a>
  );
}

/** A text as phones show it: theirs on the left, ours on the right, and under it what became of it. */
export function Bubble({ message }: { message: Message }) {
  const w = say(words);
  const zone = useZone();
  const ours = message.direction === "outbound";
  const said = delivery(message);
  return (
    <div class={cx(s["text"], ours && s["ours"])}>
      {message.body !== null && message.body !== "" ? (
        <div class={s["bubble"]}>
          <Words>{message.body}</Words>
        </div>
      ) : (
        message.media.length === 0 && <div class={s["bubble"]}>{w.noText}</div>
      )}
      {message.media.map((m) => (
        <Picture key={m.n} message={message.id} media={m} />
      ))}
      <div class={s["state"]}>
        {ours && message.automatic && `${w.byOtto} `}
        <time dateTime={message.sent_at} title={whenInFull(message.sent_at, zone, locale())}>
          {when(message.sent_at, zone, locale())}
        </time>
        {said && (
          <>
            {" · "}
            <span data-bad={wentWrong(message)}>
              <Words>{said}</Words>
            </span>
          </>
        )}
      </div>
    </div>
  );
}
