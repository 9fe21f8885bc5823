#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pg/connection.hpp"
#include "runtime/consumer.hpp"

namespace otto::testkit {

/// A consumer's handlers on a real, migrated Postgres, as the service's own role, without Kafka. Every event runs in a
/// transaction that is rolled back by the next one, or at the end.
///
///     Rig rig(rt::Consumer{"lead-pipeline"}.on<&Calls::record>(calls));
///     rig.given("INSERT INTO …");
///     rig.when(event);
///     CHECK(rig.emitted<CallRecorded>().size() == 1);
class Rig {
public:
    explicit Rig(rt::Consumer);
    ~Rig();
    /// SQL as the owner of the database, before the events. It stays for the tests that follow: use ids of your own.
    Rig& given(std::string_view sql);
    /// What the handler of this event makes of it. `company_id` of the message is the transaction's scope.
    template <class E>
    rt::Outcome when(const E& event) {
        return run(event, events::type_of<E>().type);
    }
    /// Events of that type that the last `when` emitted.
    template <class E>
    std::vector<E> emitted() const {
        std::vector<E> out;
        for (const auto& value : emitted_values(events::type_of<E>().type)) {
            E e;
            events::parse_into(e, value);
            out.push_back(std::move(e));
        }
        return out;
    }
    /// Rows as they stand after the last `when`.
    template <pg::Row R>
    std::vector<R> rows(const pg::Query& query, pg::Params params = {}) {
        return open().many<R>(query, std::move(params));
    }

private:
    rt::Outcome run(const google::protobuf::Message&, const std::string& type);
    std::vector<std::string> emitted_values(const std::string& type) const;
    pg::Tx& open();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::testkit
