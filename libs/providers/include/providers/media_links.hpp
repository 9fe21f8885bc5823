#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/secrets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

/// Links to stored objects for those who have no session: `<public URL>/media/<token>`. The token names company, object and end,
/// and is signed; who has the link may fetch that object until then and nothing else. Whoever knows the keys can make and open
/// them, so several services may.
namespace otto::providers {

class MediaLinks {
public:
    struct Target {
        std::string company_id, object_key;
        Instant expires_at;
    };

    /// `keys` as OTTO_MEDIA_KEYS has them; if empty they are derived from `ring` (OTTO_SECRET_KEYS). The first signs, all open.
    /// The error names the setting.
    static Result<MediaLinks> make(std::string public_url, const Secret& keys, const Secret& ring) {
        return make(std::move(public_url), app::LiveSecret(keys), app::LiveSecret(ring));
    }
    static Result<MediaLinks> make(std::string public_url, app::LiveSecret keys, app::LiveSecret ring);

    /// The same arguments make the same link, so that a request that is repeated can be the same to the byte. To the second; a
    /// part of one is dropped. Throws Failure if the key is not the company's ("<company>/…"): that would be a bug.
    std::string url_until(std::string_view company_id, std::string_view object_key, Instant expires_at) const;
    /// Valid from now on for so long.
    std::string url(std::string_view company_id, std::string_view object_key, Millis valid_for,
                    const Clock& = system_clock()) const;
    /// What a token stands for; nullopt if it was not signed by one of the keys, or is over.
    std::optional<Target> open(std::string_view token, Instant now) const;

private:
    MediaLinks(std::string public_url, app::Live<std::vector<Secret>> keys)
        : public_url_(std::move(public_url)), keys_(std::move(keys)) {}
    std::string public_url_;
    app::Live<std::vector<Secret>> keys_;
};

}  // namespace otto::providers
