import type { ComponentChildren } from "preact";
import { createPortal } from "preact/compat";
import { useEffect } from "preact/hooks";

/** A page's name stands in the head, and in the tab's title with the person or thing it shows. */
export function PageHead({ title, about, children }: { title: string; about?: string | undefined; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${about ? `${about} · ` : ""}${title} · Otto`;
  }, [title, about]);
  const head = document.getElementById("page-head");
  return head
    ? createPortal(
        <>
          <h1>{about ?? title}</h1>
          {children}
        </>,
        head,
      )
    : null;
}
