// Own signs, 16 px, lines of 1.5 px.
export const PATHS = {
  work: "M2.5 8.5 6 12l7.5-8",
  call: "M3.5 2.5h2.5l1.2 3-1.6 1.2a8 8 0 0 0 3.7 3.7l1.2-1.6 3 1.2v2.5c0 .6-.4 1-1 1C7 13.5 2.5 9 2.5 3.5c0-.6.4-1 1-1Z",
  missed: "m3 5 4 4 4-4M11 5h2.5v2.5M13.5 5 8 10.5",
  text: "M2.5 3.5h11v8h-6l-3 2.5v-2.5h-2Z",
  people: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.5-2.5 2.5-4 5-4s4.500 1.5 5 4",
  calendar: "M2.500 4h11v9.500h-11ZM2.500 7h11M5.500 2.500V5M10.500 2.500V5",
  tasks: "M6 4.500h7.500M6 8h7.500M6 11.500h7.500M2.800 4.500h.4M2.800 8h.4M2.800 11.500h.4",
  figures: "M2.500 13.500v-5M6.200 13.500v-8M9.800 13.500v-4M13.500 13.500v-10",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9ZM10.500 10.500l3 3",
  close: "m4 4 8 8M12 4l-8 8",
  play: "M5 3.500v9l7-4.500Z",
  pause: "M5.500 3.500v9M10.500 3.500v9",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  down: "m4 6 4 4 4-4",
  left: "m10 4-4 4 4 4",
  right: "m6 4 4 4-4 4",
  voicemail:
    "M4.500 10.500a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400ZM11.500 10.500a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400ZM4.500 10.500h7",
  book: "M2.500 4h11v9.500h-11ZM2.500 7h11M8 8.500v3.500M6.200 10.200h3.600",
  check: "m3 8.500 3.500 3.500L13 4.500",
  clock: "M8 13.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11ZM8 5v3.200l2 1.300",
  note: "M3.500 2.500h9v11h-9ZM5.500 5.500h5M5.500 8h5M5.500 10.500h3",
  edit: "m3 13 .7-2.800L10.500 3.400l2.100 2.100L5.800 12.300Z",
  out: "M9.500 3H13v3.500M13 3 7 9M11.500 9v4h-8.500V4.500h4",
  info: "M8 13.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11ZM8 7.500v3M8 5.200h.01",
  user: "M8 8a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5ZM3 13.500c.5-2.500 2.500-4 5-4s4.500 1.500 5 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
