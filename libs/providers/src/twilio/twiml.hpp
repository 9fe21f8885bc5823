#pragma once
#include <string>
#include <string_view>
#include <vector>

/// Documents that tell Twilio what a caller meets. Source: providers.md §2.6, https://www.twilio.com/docs/voice/twiml
namespace otto::providers::twilio {

/// Longest text that one <Say> takes, bytes.
inline constexpr std::size_t kLongestSay = 4'000;

/// Writes verbs front to back. Whatever texts hold, what comes of it is well-formed: markup is escaped, bytes that are no UTF-8
/// are U+FFFD, what XML 1.0 forbids is left out, and white space is a space.
class Twiml {
public:
    Twiml& begin(std::string_view verb);
    /// Of the verb that was begun last, before anything is put into it.
    Twiml& attribute(std::string_view name, std::string_view value);
    Twiml& text(std::string_view);
    Twiml& end();
    /// A verb without anything in it: "Hangup".
    Twiml& verb(std::string_view name) { return begin(name).end(); }
    /// As many <Say> as the text needs, none for one that has nothing to say.
    Twiml& say(std::string_view text);

    std::size_t bytes() const { return out_.size(); }
    bool empty() const { return out_.empty(); }
    /// What was written, all of it ended, one document behind the other.
    static std::string document(const Twiml& first, const Twiml& then);

private:
    void inside();
    void escape(std::string_view);
    std::string out_;
    std::vector<std::string> open_;
    bool in_tag_ = false;
};

}  // namespace otto::providers::twilio
