import { useOne } from "../../api/queries";
import { say } from "../../i18n";
import { phone } from "../../lib/phone";
import { ProblemNote, Skeleton } from "../../ui";
import { PageHead } from "../../ui/page";
import { nameOf } from "./list";
import { words } from "./words";

export default function Call({ params }: { params: { id: string } }) {
  const w = say(words);
  const call = useOne<any>("call", "/api/v1/calls/{call_id}", { call_id: params.id });
  if (call.isError) return <ProblemNote error={call.error} retry={() => void call.refetch()} />;
  if (!call.data) return <Skeleton />;
  return <PageHead title={w.call} about={nameOf(call.data.contact) || phone(call.data.phone_number)} />;
}
