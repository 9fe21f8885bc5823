// What came with texts: fetched, kept, and said in the text's row.
#include "handlers/media.hpp"

#include <filesystem>
#include <map>

#include "base/json.hpp"
#include "database.hpp"
#include "runtime/work_queue.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;
using providers::Again, providers::Attachment, providers::AttachmentOutcome, providers::Never, providers::NotYet,
    providers::TooLarge;

namespace {

const std::string kJpeg = "\xff\xd8\xff\xe0 a roof";

struct World {
    std::filesystem::path folder;
    std::unique_ptr<providers::ObjectStore> store;
    std::map<std::string, std::function<AttachmentOutcome()>> outside;  ///< by address; what is not there is a picture
    std::vector<std::string> asked;                                     ///< addresses, with the account if one was given
    bool known = true;
    std::string message = Uuid::v7(system_clock().now()).to_string();
    pg::Pool pool{Db::shared().service_url(), "test", 2};
    Media media{Media::Outside{[this](const providers::AttachmentSource& s, const std::function<bool()>&) { return fetch(s); },
                               [this](const CompanyId&, bool of_deployment) -> std::optional<Media::MaybeAccount> {
                                   if (!known) return std::nullopt;
                                   return providers::twilio::Account::with_token(of_deployment ? "AC_own" : "AC1",
                                                                                 Secret("token"));
                               },
                               make_store()}};
    rt::WorkQueue queue{rt::work_of<&Media::next>(std::string(kMedia), media), 1};

    ~World() { std::filesystem::remove_all(folder); }
    providers::ObjectStore& make_store() {
        char text[] = "/tmp/otto-texts-XXXXXX";
        REQUIRE(::mkdtemp(text));
        folder = text;
        store = providers::make_object_store("file:" + folder.string()).value();
        return *store;
    }
    AttachmentOutcome fetch(const providers::AttachmentSource& s) {
        asked.push_back(s.url + (s.account ? " as " + s.account->sid : ""));
        auto found = outside.find(s.url);
        return found == outside.end() ? picture() : found->second();
    }
    AttachmentOutcome picture(const std::string& content = kJpeg) const {
        auto file = store->temporary().value();
        file.write(content).value();
        return Attachment{std::move(file), providers::file_kind(content)};
    }
    /// A text with which so many things came, as its report leaves it.
    void came(std::size_t count, const std::string& provider = "twilio") {
        auto& owner = Db::shared().owner;
        JsonWriter w;
        w.begin_array();
        for (std::size_t n = 0; n < count; ++n)
            w.begin_object()
                .member("n", n)
                .member("state", "pending")
                .member("url", "u" + std::to_string(n))
                .member("content_type", "text/x-notes")
                .end_object();
        owner.execute("INSERT INTO contact_cards (company_id, id) VALUES ('org_m', '" + message + "')");
        owner.execute(
            "INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, contact_card_id, "
            "sent_at, media) VALUES ('org_m', '" +
            message + "', '" + provider + "', '" + message + "', 'inbound', 'received', '" + message + "', now(), '" +
            w.end_array().take() + "')");
        want();
    }
    void want() {
        auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{"org_m"}));
        rt::want(tx, kMedia, CompanyId{"org_m"}, message, Instant{});
        tx.commit();
    }
    /// All turns that are due; those that wait become so before.
    void run() {
        Db::shared().owner.execute("UPDATE work SET due_at = now() WHERE queue = 'lead-pipeline/media' AND due_at < 'infinity'");
        while (queue.run_one(pool)) {
        }
    }
    std::string look(const std::string& sql) {
        auto tx = Db::shared().owner.begin(pg::Scope::none());
        static std::map<std::string, std::string> kept;  // a statement is known by the places of its name and text
        auto& query = *kept.try_emplace(sql, "look " + std::to_string(kept.size())).first;
        auto rows = tx.many<Text>({query.second, query.first});
        return rows.empty() ? "" : rows.front().v;
    }
    /// "stored stored pending"
    std::string states() {
        return look(
            "SELECT string_agg(m ->> 'state', ' ' ORDER BY (m ->> 'n')::int) AS v FROM messages, "
            "jsonb_array_elements(media) m WHERE id = '" +
            message + "'");
    }
    std::string of(int n, const std::string& name) {
        return look("SELECT coalesce(media -> " + std::to_string(n) + " ->> '" + name + "', '') AS v FROM messages WHERE id = '" +
                    message + "'");
    }
    /// How many seconds from now on the next turn is due; "" if none is.
    std::string due() {
        return look(
            "SELECT round(extract(epoch FROM due_at - now()))::text AS v FROM work WHERE queue = 'lead-pipeline/media' "
            "AND key = '" +
            message + "'");
    }
};

}  // namespace

TEST_CASE("media: what came is kept under the text's name, and the row says what it is", "[integration]") {
    World w;
    w.came(2);
    w.outside["u1"] = [&] { return w.picture("BEGIN"); };
    w.run();
    CHECK(w.asked == std::vector<std::string>{"u0 as AC1", "u1 as AC1"});
    CHECK(w.states() == "stored stored");
    auto key = "org_m/messages/" + w.message + "/0";
    CHECK(w.of(0, "object_key") == key);
    CHECK(w.of(0, "bytes") == std::to_string(kJpeg.size()));
    CHECK(w.of(0, "content_type") == "image/jpeg");    // whatever the provider calls it
    CHECK(w.of(1, "content_type") == "text/x-notes");  // which counts where nobody can tell
    CHECK(w.of(0, "why") == "");
    CHECK(w.store->open(key).value()->read(0, 100).value() == kJpeg);
    CHECK(w.due() == "");
    // Dashboards are told.
    CHECK(w.look("SELECT count(*)::text AS v FROM outbox WHERE position('" + w.message + "'::bytea IN value) > 0") == "1");
    w.want();
    w.run();
    CHECK(w.asked.size() == 2);
}

TEST_CASE("media: of each its own state, and what may yet come is asked for again", "[integration]") {
    World w;
    w.came(5);
    w.outside["u0"] = [] { return TooLarge{"it is larger than 5 MiB"}; };
    w.outside["u1"] = [] { return Never{"its address cannot be reached by Otto", ""}; };
    w.outside["u2"] = [] { return NotYet{"it answers with status 404"}; };
    w.outside["u3"] = [] { return Again{"it answers with status 503", std::nullopt, "wait"}; };
    w.run();
    CHECK(w.states() == "too_large failed pending pending stored");
    CHECK(w.of(0, "why") == "it is larger than 5 MiB");
    CHECK(w.of(1, "why") == "its address cannot be reached by Otto");
    CHECK(w.of(3, "why") == "it answers with status 503; wait");
    CHECK(w.due() == "2");
    w.asked.clear();
    w.run();
    CHECK(w.asked == std::vector<std::string>{"u2 as AC1", "u3 as AC1"});
    CHECK(w.due() == "8");
    w.run();
    w.run();
    CHECK(w.states() == "too_large failed failed pending stored");  // four times not there: it will not be
    CHECK(w.of(2, "why") == "it answers with status 404");
    w.outside.erase("u3");
    w.run();
    CHECK(w.states() == "too_large failed failed stored stored");
    CHECK(w.of(3, "why") == "");
    CHECK(w.due() == "");
}

TEST_CASE("media: what fails for half a day is given up", "[integration]") {
    World w;
    w.came(1);
    w.outside["u0"] = [] { return Again{"it answers with status 503", Millis{60'000}}; };
    w.run();
    CHECK(w.due() == "60");  // as it asked
    for (int turn = 2; turn < 12; ++turn) w.run();
    CHECK(w.states() == "pending");
    CHECK(w.due() == "7200");
    w.run();
    CHECK(w.states() == "failed");
    CHECK(w.of(0, "why") == "it answers with status 503");
    CHECK(w.due() == "");
}

TEST_CASE("media: ten of a text are kept", "[integration]") {
    World w;
    w.came(20);
    w.run();
    CHECK(w.asked.size() == 10);
    CHECK(w.of(9, "state") == "stored");
    CHECK(w.of(10, "state") == "failed");
    CHECK(w.of(19, "why") == "of a text the first 10 are kept");
}

TEST_CASE("media: an account is shown for Twilio's texts alone, and waited for while the companies are not known",
          "[integration]") {
    World w;
    w.came(1, "callrail");
    w.run();
    CHECK(w.asked == std::vector<std::string>{"u0"});
    World t;
    t.came(1);
    t.known = false;
    t.run();
    CHECK(t.asked.empty());
    CHECK(t.states() == "pending");
    t.known = true;
    t.run();
    CHECK(t.states() == "stored");
}

TEST_CASE("media: the account that proved the text is shown, and no other", "[integration]") {
    World w;
    w.came(2);
    Db::shared().owner.execute("UPDATE messages SET media = jsonb_set(media, '{1,of_deployment}', 'true') WHERE id = '" +
                               w.message + "'");
    w.outside["u0"] = w.outside["u1"] = [] { return Again{"it answers with status 503", std::nullopt}; };
    w.run();
    CHECK(w.asked == std::vector<std::string>{"u0 as AC1", "u1 as AC_own"});
    w.outside.clear();
    w.asked.clear();
    w.run();  // it is remembered with the tries
    CHECK(w.asked == std::vector<std::string>{"u0 as AC1", "u1 as AC_own"});
    CHECK(w.states() == "stored stored");
}

TEST_CASE("media: what another report put in its place meanwhile is fetched, not overwritten", "[integration]") {
    World w;
    w.came(1);
    w.outside["u0"] = [&] {
        Db::shared().owner.execute(
            "UPDATE messages SET media = '[{\"n\": 0, \"state\": \"pending\", \"url\": \"v0\"}]' WHERE id = '" + w.message + "'");
        w.want();
        return w.picture("former");
    };
    w.run();
    CHECK(w.asked == std::vector<std::string>{"u0 as AC1", "v0 as AC1"});
    CHECK(w.states() == "stored");
    CHECK(w.store->open("org_m/messages/" + w.message + "/0").value()->read(0, 100).value() == kJpeg);
}
