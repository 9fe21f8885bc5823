// No service can emit what Kafka would refuse: everything that is emitted goes through a sink, and a sink knows what each topic
// takes.
#include "kafka/topics.hpp"
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/members/v1/members.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/handler.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

template <class E>
void holds_at(std::string topic, void (*fill)(E&, std::string)) {
    INFO(topic);
    REQUIRE(events::type_of<E>().topic == topic);
    rt::Envelope cause;
    cause.trace = tel::TraceContext::fresh();
    const auto most = rt::largest_event<E>();
    CHECK(most < kafka::largest_record(topic));
    E m;
    fill(m, "");
    fill(m, std::string(most - m.ByteSizeLong() - 16, 'x'));  // a tag and a length come with it
    REQUIRE(m.ByteSizeLong() <= most);
    rt::Sink sink("lead-pipeline/part");
    CHECK_NOTHROW(sink.emit(cause, m, {}));
    fill(m, std::string(kafka::largest_record(topic), 'x'));
    CHECK_THROWS_AS(sink.emit(cause, m, {}), rt::EventTooLarge);
    CHECK(sink.size() == 1);
}

}  // namespace

TEST_CASE("an event as large as it may be is emitted, a larger one is refused where it is made, on every topic") {
    holds_at<inbound::v1::ProviderEvent>("otto.inbound",
                                         [](auto& m, std::string text) { m.mutable_receipt()->set_raw_body(std::move(text)); });
    holds_at<routed::v1::CallReported>("otto.routed",
                                       [](auto& m, std::string text) { m.mutable_receipt()->set_raw_body(std::move(text)); });
    holds_at<calls::v1::CallRecorded>("otto.calls", [](auto& m, std::string text) { m.set_recording_url(std::move(text)); });
    holds_at<analysis::v1::AnalysisCompleted>("otto.analysis", [](auto& m, std::string text) { m.set_address(std::move(text)); });
    holds_at<changes::v1::SignaturesRefused>("otto.changes", [](auto& m, std::string text) { m.set_why(std::move(text)); });
    holds_at<directory::v1::CompanyProfile>("otto.directory",
                                            [](auto& m, std::string text) { m.set_workflow_config_json(std::move(text)); });
    holds_at<members::v1::Member>("otto.members", [](auto& m, std::string text) { m.set_role_unknown(std::move(text)); });
    CHECK(kafka::otto_topics().size() == 7);
}
