#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

/// Reads TwiML as strictly as Twilio does, written a second time: what is not well-formed, a verb or an attribute that Twilio
/// does not know, or one in the wrong place or out of range is an error.
namespace otto::providers::tests {

struct Element {
    std::string name, text;
    std::map<std::string, std::string> attributes;
    std::vector<Element> inside;

    std::string operator[](const std::string& attribute) const {
        auto found = attributes.find(attribute);
        return found == attributes.end() ? "" : found->second;
    }
};

class TwimlReader {
public:
    /// The <Response>; `why` says what is wrong where there is none.
    static std::optional<Element> read(std::string_view document, std::string& why) {
        TwimlReader reader(document);
        constexpr std::string_view declaration = R"(<?xml version="1.0" encoding="UTF-8"?>)";
        if (!reader.take(declaration)) why = "does not begin with its declaration";
        if (!valid_utf8(document)) why = "is no UTF-8";
        if (document.size() > 64'000) why = "is longer than Twilio reads";
        Element root;
        if (why.empty() && !reader.element(root))
            why = "is not well-formed at " + std::to_string(document.size() - reader.rest_.size());
        if (why.empty() && (!reader.rest_.empty() || root.name != "Response")) why = "is no <Response>";
        if (why.empty()) why = misfit(root, "");
        return why.empty() ? std::optional(root) : std::nullopt;
    }

private:
    explicit TwimlReader(std::string_view text) : rest_(text) {}

    bool take(std::string_view what) {
        if (!rest_.starts_with(what)) return false;
        rest_.remove_prefix(what.size());
        return true;
    }
    std::string name() {
        const auto end = rest_.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        std::string out(rest_.substr(0, end));
        rest_.remove_prefix(out.size());
        return out;
    }
    bool character(std::string& into) {
        for (auto [entity, c] : {std::pair{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}})
            if (take(entity)) return into += c, true;
        const auto c = static_cast<unsigned char>(rest_.front());
        if (c == '&' || c == '<' || c == '>' || c < 0x20 || c == 0x7f) return false;
        if (rest_.starts_with("\xef\xbf\xbe") || rest_.starts_with("\xef\xbf\xbf")) return false;
        into += rest_.front();
        rest_.remove_prefix(1);
        return true;
    }
    bool element(Element& into) {
        if (!take("<")) return false;
        into.name = name();
        while (take(" ")) {
            const auto attribute = name();
            std::string value;
            if (attribute.empty() || !take("=\"")) return false;
            while (!rest_.empty() && rest_.front() != '"')
                if (!character(value)) return false;
            if (!take("\"") || !into.attributes.emplace(attribute, value).second) return false;
        }
        if (take("/>")) return !into.name.empty();
        if (!take(">")) return false;
        while (!rest_.starts_with("</")) {
            if (rest_.empty()) return false;
            if (rest_.front() == '<') {
                if (!element(into.inside.emplace_back())) return false;
            } else if (!character(into.text)) {
                return false;
            }
        }
        return take("</" + into.name + ">");
    }

    /// Source: https://www.twilio.com/docs/voice/twiml and the classes of Twilio's library.
    static std::string misfit(const Element& e, const std::string& parent) {
        struct Verb {
            std::string parents, attributes, needs;
            bool text = false;
        };
        static const std::map<std::string, Verb> verbs{
            {"Response", {"", "", "", false}},
            {"Say", {"Response", "", "", true}},
            {"Hangup", {"Response", "", "", false}},
            {"Redirect", {"Response", "method", "method", true}},
            {"Dial",
             {"Response", "timeout callerId action record recordingStatusCallback recordingStatusCallbackEvent",
              "timeout callerId action", false}},
            {"Number", {"Dial", "statusCallback", "statusCallback", true}},
            {"Record",
             {"Response", "maxLength playBeep action recordingStatusCallback recordingStatusCallbackEvent",
              "maxLength playBeep action recordingStatusCallback", false}},
            {"Connect", {"Response", "", "", false}},
            {"Stream", {"Connect", "url statusCallback", "url statusCallback", false}},
            {"Parameter", {"Stream", "name value", "name value", false}},
            {"Start", {"Response", "", "", false}},
            {"Recording", {"Start", "recordingStatusCallback recordingStatusCallbackEvent", "recordingStatusCallback", false}}};
        auto found = verbs.find(e.name);
        if (found == verbs.end() || found->second.parents != parent) return "<" + e.name + "> in <" + parent + ">";
        const auto& verb = found->second;
        const auto known = split_list(verb.attributes, ' ');
        for (const auto& [name, value] : e.attributes)
            if (std::find(known.begin(), known.end(), name) == known.end()) return e.name + " " + name;
        for (const auto& name : split_list(verb.needs, ' '))
            if (!e.attributes.contains(name)) return e.name + " without " + name;
        if (verb.text ? e.text.empty() : !e.text.empty()) return "text of " + e.name + ": " + e.text;
        if (e.name == "Say" && e.text.size() > 4'096) return "a longer <Say> than Twilio says";
        auto within = [&](const char* name, int least, int most) {
            return !e.attributes.contains(name) || (std::stoi(e[name]) >= least && std::stoi(e[name]) <= most);
        };
        if (!within("timeout", 5, 600) || !within("maxLength", 2, 14'400)) return e.name + " out of range";
        if (e.name == "Dial" && (e.inside.empty() || e.inside.size() > 10))
            return "a <Dial> of " + std::to_string(e.inside.size());
        if (e.name == "Parameter" && e["name"].size() + e["value"].size() > 500) return "a <Parameter> too long";
        for (const auto& inner : e.inside)
            if (auto why = misfit(inner, e.name); !why.empty()) return why;
        return "";
    }

    std::string_view rest_;
};

}  // namespace otto::providers::tests
