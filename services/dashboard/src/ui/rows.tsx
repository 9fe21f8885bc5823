import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import s from "./ui.module.css";

/** A long list: rows of one height, of which only those in view exist. Asks for more when its end comes near. */
export function Rows<T>({
  items,
  height,
  total,
  label,
  old,
  more,
  row,
  keyOf,
}: {
  items: readonly T[];
  height: number;
  total?: number | undefined;
  label: string;
  old?: boolean;
  more?: (() => void) | undefined;
  row: (item: T, index: number) => ComponentChildren;
  keyOf: (item: T) => string | number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const frame = useRef(0);
  const see = () => {
    frame.current = 0;
    const b = box.current;
    if (b)
      setView((v) =>
        Math.abs(v.top - b.scrollTop) < height && v.height === b.clientHeight ? v : { top: b.scrollTop, height: b.clientHeight },
      );
  };
  useLayoutEffect(see, []);
  useEffect(() => {
    const watch = new ResizeObserver(see);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(view.top / height) - 8);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / height) + 8);
  useEffect(() => {
    if (more && last > items.length - 20) more();
  }, [last, items.length, more]);
  return (
    <div ref={box} class={s["rows"]} data-old={old ?? false} onScroll={() => (frame.current ||= requestAnimationFrame(see))} tabIndex={-1}>
      <ul aria-label={label} style={{ height: `${items.length * height}px` }}>
        {items.slice(first, last).map((item, i) => (
          <li
            key={keyOf(item)}
            style={{ height: `${height}px`, transform: `translateY(${(first + i) * height}px)` }}
            aria-setsize={total ?? items.length}
            aria-posinset={first + i + 1}
          >
            {row(item, first + i)}
          </li>
        ))}
      </ul>
    </div>
  );
}
