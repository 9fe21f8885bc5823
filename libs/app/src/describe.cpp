#include <set>
#include <stdexcept>

#include "app/process.hpp"
#include "base/json.hpp"
#include "telemetry/declarations.hpp"

namespace otto::app {
namespace {

std::string_view word(Kind kind) {
    switch (kind) {
        case Kind::text:
            return "text";
        case Kind::number:
            return "number";
        case Kind::flag:
            return "flag";
        case Kind::list:
            return "list";
        case Kind::secret:
            return "secret";
        case Kind::duration:
            return "duration";
        case Kind::choice:
            return "choice";
    }
    return "";
}

void write_texts(JsonWriter& w, JsonView list) {
    w.begin_array();
    for (std::size_t i = 0; i < list.size(); ++i) w.value(list.at(i).string().value_or(""));
    w.end_array();
}

void write_service(JsonWriter& w, const Definition& d) {
    auto manifest = JsonDocument::parse(d.manifest.empty() ? "{}" : d.manifest);
    if (!manifest) throw std::logic_error("the service.json of " + std::string(d.name) + ": " + manifest.error().message);
    auto m = manifest->root();
    w.begin_object().member("name", d.name).member("about", d.about).key("needs");
    write_texts(w, m["needs"]);
    w.key("consumers").begin_array();
    for (const auto& [group, topics] : m["consumes"].members()) {
        w.begin_object().member("group", group).key("topics");
        write_texts(w, topics);
        w.end_object();
    }
    w.end_array().key("produces");
    write_texts(w, m["produces"]);
    w.key("routes").begin_array();
    for (std::size_t i = 0; i < m["routes"].size(); ++i) {
        auto line = m["routes"].at(i).string().value_or("");
        auto space = line.find(' ');
        w.begin_object()
            .member("methods", line.substr(0, space))
            .member("prefix", space == std::string_view::npos ? std::string_view{} : line.substr(space + 1))
            .end_object();
    }
    w.end_array().key("peers");
    write_texts(w, m["peers"]);
    w.key("sessions")
        .begin_object()
        .member("each_lane", m["sessions"]["each_lane"].integer().value_or(0))
        .member("others", m["sessions"]["others"].integer().value_or(0))
        .end_object()
        .end_object();
}

void write_setting(JsonWriter& w, const Row& r) {
    w.begin_object()
        .member("name", r.environment())
        .member("kind", word(r.kind))
        .member("default", r.fallback)
        .member("secret", r.kind == Kind::secret)
        .member("help", r.help)
        .member("takes", r.takes())
        .end_object();
}

}  // namespace

std::string describe(const Program& program, std::string_view about, const Rows& rows, const std::vector<Definition>& services) {
    JsonWriter w;
    w.begin_object()
        .member("program", program.name)
        .member("about", about)
        .member("version", program.version)
        .member("schema", program.schema)
        .key("services")
        .begin_array();
    for (const auto& d : services) write_service(w, d);
    w.end_array().key("settings").begin_array();
    std::set<std::string> seen;
    for (const auto& r : rows)
        if (seen.insert(r.name).second) write_setting(w, r);
    w.end_array().key("metrics").begin_array();
    for (const auto& m : tel::declared_metrics()) {
        w.begin_object().member("name", m.name).member("type", m.type).key("labels").begin_array();
        for (const auto& label : m.labels) w.value(label);
        w.end_array().member("help", m.help).end_object();
    }
    w.end_array().end_object();
    return w.take() + "\n";
}

}  // namespace otto::app
