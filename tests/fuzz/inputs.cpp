// What a command is given: a query in the first line, then any body.
#include "api/inputs.hpp"

#include <algorithm>

#include "api/refusal.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "harness.hpp"

using namespace otto;
using api::Inputs;

namespace {

const JsonSchema kObject(R"({"type":"object"})");

/// Whatever is wrong is 422 and says where, in texts that an answer can hold.
template <class F>
bool taken(F&& f) {
    try {
        f();
        return true;
    } catch (const api::Refusal& refusal) {
        const auto& p = refusal.problem;
        OTTO_EXPECT(p.status == 422 && p.fields.size() == 1 && !p.detail.empty(), p.detail);
        for (const auto& [name, why] : p.fields)
            OTTO_EXPECT(valid_utf8(name) && name.size() <= 100 && valid_utf8(why) && !why.empty(), name);
        return false;
    }
}

void storable(std::string_view text) {
    OTTO_EXPECT(valid_utf8(text) && text.find('\0') == std::string_view::npos, std::string(text));
}

void look(const Inputs& in) {
    taken([&] {
        if (auto text = in.text("text", 40)) {
            storable(*text);
            OTTO_EXPECT(!text->empty() && text->size() <= 40 && trim(*text) == *text, *text);
            OTTO_EXPECT(std::none_of(text->begin(), text->end(),
                                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }),
                        *text);
            OTTO_EXPECT(in.has("text") && !in.clears("text"), *text);
        }
    });
    taken([&] {
        auto at = in.time("at");
        if (at) OTTO_EXPECT(credible(at, from_micros(1'795'953'600'000'000)), to_rfc3339(*at));
    });
    taken([&] {
        auto n = in.integer("n", -5, 1'000);
        if (n) OTTO_EXPECT(*n >= -5 && *n <= 1'000, std::to_string(*n));
    });
    taken([&] {
        auto phone = in.phone("phone");
        if (phone) OTTO_EXPECT(phone->starts_with('+') && phone->find_first_not_of("0123456789", 1) == std::string::npos, *phone);
    });
    taken([&] {
        auto json = in.json("json", kObject);
        if (!json) return;
        storable(*json);
        auto parsed = JsonDocument::parse(*json);
        OTTO_EXPECT(parsed.ok() && parsed->root().is_object(), *json);
        OTTO_EXPECT(parsed->root().dump().find("\\u0000") == std::string::npos || json->find("\\\\u0000") != std::string::npos,
                    *json);
    });
    taken([&] { (void)in.uuid("id"); });
    taken([&] { (void)in.truth("yes"); });
}

}  // namespace

void fuzz(std::string_view text) {
    fuzzing::Input input(text);
    http::Request request;
    request.received_at = from_micros(1'795'953'600'000'000);
    request.query = input.line();
    request.body = input.rest();
    taken([&] { look(Inputs::of(request, {"text", "at", "n", "phone", "json", "id", "yes"})); });
    taken([&] {
        auto in = Inputs::change(request, {.lasting = {"text", "n"},
                                           .clearable = {"at", "json", "phone"},
                                           .besides = {"id", "yes"},
                                           .fixed = {{{"call_id"}, "stays what it is"}}});
        OTTO_EXPECT(!in.changed().empty(), "");
        for (const auto& name : in.changed()) OTTO_EXPECT(in.has(name), name);
        OTTO_EXPECT(!in.clears("text") && !in.clears("n"), "");
        look(in);
        taken([&] {
            auto at = in.change("at", in.time("at"));
            OTTO_EXPECT(at.clears() == in.clears("at"), "");
            OTTO_EXPECT(at.after(from_micros(7)) == (at.given ? at.value : std::optional(from_micros(7))), "");
        });
    });
}
