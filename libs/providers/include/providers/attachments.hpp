#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "http/client.hpp"
#include "http/follow.hpp"
#include "providers/object_store.hpp"
#include "providers/recordings.hpp"
#include "providers/twilio.hpp"

/// What comes with texts: what a file is, and getting it from the provider that has it. When to ask again, and what becomes of
/// the text, is decided elsewhere.
namespace otto::providers {

/// What a file is, told by its first bytes: not by what somebody called it.
struct FileKind {
    std::string_view type;    ///< "image/jpeg"; "application/octet-stream" of what is not known
    std::string_view ending;  ///< of its name: "jpg"
    /// An image, audio or video, which a browser shows and runs nothing of. Whatever else is only to be saved.
    bool shown() const;
};
/// `first`: kFirstLook (sound.hpp) bytes, or all of a shorter file.
FileKind file_kind(std::string_view first);

/// Which one, and who asks.
struct AttachmentSource {
    std::string url;                         ///< as the report had it; it may hold a key and is never shown
    std::optional<twilio::Account> account;  ///< whose text it came with, at Twilio; shown to Twilio alone, and for what is below
                                             ///< that very account
};

/// The whole of it, not yet in the store.
struct Attachment {
    TemporaryFile file;
    FileKind kind;
};
struct TooLarge {
    std::string why;
};
using AttachmentOutcome = std::variant<Attachment, TooLarge, NotYet, Again, Never>;

struct AttachmentOptions {
    std::string twilio_api =
        "https://api.twilio.com";                ///< OTTO_TWILIO_API: the only place that is shown an account's credentials
    std::vector<std::string> private_addresses;  ///< OTTO_PRIVATE_ADDRESSES
    std::uint64_t byte_limit = 5ull << 20;
    Millis total_timeout{60'000};  ///< for one, all redirects included
    Millis idle_timeout{20'000};   ///< without a byte
    std::string ca_file;           ///< as http::ClientOptions has it
};

/// Fetches them, in constant memory. Redirects are followed without credentials, each address judged like the first. Blocks.
/// Thread-safe; one is made and kept.
class Attachments {
public:
    /// Throws Failure if the API's address is no URL. `store` must outlive it.
    Attachments(AttachmentOptions, const ObjectStore& store);
    /// `stopping` is asked between pieces; once true, the outcome is Again.
    AttachmentOutcome fetch(const AttachmentSource&, const tel::TraceContext& = {}, const std::function<bool()>& stopping = {});

private:
    bool is_of(const twilio::Account&, const Url&) const;
    AttachmentOutcome failure(const http::Followed&, bool by_api, bool with_key) const;

    AttachmentOptions options_;
    const ObjectStore& store_;
    Url api_;
    http::Client client_;
};

}  // namespace otto::providers
