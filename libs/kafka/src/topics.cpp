#include "kafka/topics.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "client.hpp"

namespace otto::kafka {
namespace {

constexpr const char* kDay = "86400000";

std::string days(int n) { return std::to_string(std::stoll(kDay) * n); }

constexpr std::size_t kMiB = 1u << 20;
/// What a broker takes that nobody has told anything.
constexpr std::size_t kStockBroker = 1'048'588;
/// What frames a record on its way: its batch's header, lengths, and what lz4 adds to what cannot be packed.
constexpr std::size_t framing(std::size_t max) { return max / 256 + 1'024; }

TopicSpec topic(std::string name, std::size_t most, std::vector<std::pair<std::string, std::string>> settings) {
    settings.emplace_back("message.timestamp.type", "LogAppendTime");
    settings.emplace_back("max.message.bytes", std::to_string(most));
    return {std::move(name), 12, std::move(settings)};
}

TopicSpec kept(std::string name, std::size_t most, int for_days) {
    return topic(std::move(name), most, {{"cleanup.policy", "delete"}, {"retention.ms", days(for_days)}});
}

using QueuePtr = std::unique_ptr<rd_kafka_queue_t, Freed<rd_kafka_queue_destroy>>;
using EventPtr = std::unique_ptr<rd_kafka_event_t, Freed<rd_kafka_event_destroy>>;
using OptionsPtr = std::unique_ptr<rd_kafka_AdminOptions_t, Freed<rd_kafka_AdminOptions_destroy>>;

/// One administrative conversation with the cluster.
class Admin {
public:
    Admin(const std::string& brokers, Millis deadline)
        : client_(make_client(RD_KAFKA_PRODUCER, make_conf(brokers, "ottoctl", 1u << 20))),
          queue_(rd_kafka_queue_new(client_)),
          deadline_(deadline) {}
    ~Admin() {
        queue_.reset();
        rd_kafka_destroy(client_);
    }
    rd_kafka_t* client() const { return client_; }
    rd_kafka_queue_t* queue() const { return queue_.get(); }
    OptionsPtr options(rd_kafka_admin_op_t op) const {
        OptionsPtr o(rd_kafka_AdminOptions_new(client_, op));
        rd_kafka_AdminOptions_set_request_timeout(o.get(), static_cast<int>(deadline_.count()), nullptr, 0);
        return o;
    }
    /// The answer, or why none came.
    Result<std::shared_ptr<rd_kafka_event_t>> answer() const {
        EventPtr event(rd_kafka_queue_poll(queue_.get(), static_cast<int>(deadline_.count()) + 1'000));
        if (!event) return Error("Kafka does not answer", "is it running, and does OTTO_KAFKA_BROKERS name it?");
        if (rd_kafka_event_error(event.get()))
            return Error(std::string("Kafka refuses: ") + rd_kafka_event_error_string(event.get()),
                         "is it running, and does OTTO_KAFKA_BROKERS name it?");
        return std::shared_ptr<rd_kafka_event_t>(event.release(), rd_kafka_event_destroy);
    }
    Millis deadline() const { return deadline_; }

private:
    rd_kafka_t* client_;
    QueuePtr queue_;
    Millis deadline_;
};

/// Partition counts of the topics that exist.
Result<std::map<std::string, int>> existing(const Admin& admin) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (auto error = rd_kafka_metadata(admin.client(), 1, nullptr, &metadata, static_cast<int>(admin.deadline().count())))
        return Error(std::string("Kafka does not answer: ") + rd_kafka_err2str(error),
                     "is it running, and does OTTO_KAFKA_BROKERS name it?");
    std::map<std::string, int> out;
    for (int i = 0; i < metadata->topic_cnt; ++i)
        if (!metadata->topics[i].err) out[metadata->topics[i].topic] = metadata->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return out;
}

struct Setting {
    std::string value;
    bool ours = false;  // set on the topic, not inherited
};

Result<std::map<std::string, Setting>> settings_of(const Admin& admin, const std::string& topic) {
    auto* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    auto options = admin.options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(admin.client(), &resource, 1, options.get(), admin.queue());
    rd_kafka_ConfigResource_destroy(resource);
    auto event = admin.answer();
    if (!event) return event.error();
    std::size_t count = 0, entries = 0;
    auto* resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event->get()), &count);
    std::map<std::string, Setting> out;
    if (count != 1) return Error("Kafka describes no settings of " + topic);
    auto* list = rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (std::size_t i = 0; i < entries; ++i) {
        const char* value = rd_kafka_ConfigEntry_value(list[i]);
        out[rd_kafka_ConfigEntry_name(list[i])] = {
            value ? value : "", rd_kafka_ConfigEntry_source(list[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG};
    }
    return out;
}

Result<void> create(const Admin& admin, const TopicSpec& spec, int replication) {
    char why[256];
    auto* topic = rd_kafka_NewTopic_new(spec.name.c_str(), spec.partitions, replication, why, sizeof why);
    if (!topic) return Error("topic " + spec.name + ": " + why);
    for (const auto& [name, value] : spec.settings) rd_kafka_NewTopic_set_config(topic, name.c_str(), value.c_str());
    auto options = admin.options(RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(admin.client(), &topic, 1, options.get(), admin.queue());
    rd_kafka_NewTopic_destroy(topic);
    auto event = admin.answer();
    if (!event) return event.error();
    std::size_t count = 0;
    auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event->get()), &count);
    for (std::size_t i = 0; i < count; ++i) {
        auto error = rd_kafka_topic_result_error(results[i]);
        if (error && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return Error("topic " + spec.name + " cannot be created: " +
                         (rd_kafka_topic_result_error_string(results[i]) ? rd_kafka_topic_result_error_string(results[i])
                                                                         : rd_kafka_err2str(error)));
    }
    return {};
}

/// AlterConfigs replaces everything set on the topic, so what is set there and not ours to say goes along.
Result<void> alter(const Admin& admin, const TopicSpec& spec, const std::map<std::string, Setting>& now) {
    std::map<std::string, std::string> all;
    for (const auto& [name, setting] : now)
        if (setting.ours) all[name] = setting.value;
    for (const auto& [name, value] : spec.settings) all[name] = value;
    auto* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, spec.name.c_str());
    for (const auto& [name, value] : all) rd_kafka_ConfigResource_set_config(resource, name.c_str(), value.c_str());
    auto options = admin.options(RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    rd_kafka_AlterConfigs(admin.client(), &resource, 1, options.get(), admin.queue());
    rd_kafka_ConfigResource_destroy(resource);
    auto event = admin.answer();
    if (!event) return event.error();
    std::size_t count = 0;
    auto* resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event->get()), &count);
    for (std::size_t i = 0; i < count; ++i)
        if (auto error = rd_kafka_ConfigResource_error(resources[i]))
            return Error("settings of " + spec.name + " cannot be changed: " + rd_kafka_err2str(error));
    return {};
}

Result<std::vector<TopicChange>> go(const std::string& brokers, std::vector<TopicSpec> specs, int replication, Millis deadline,
                                    bool apply) {
    Admin admin(brokers, deadline);
    auto topics = existing(admin);
    if (!topics) return topics.error();
    std::vector<TopicChange> changes;
    for (auto& spec : specs) {
        if (replication > 1) spec.settings.emplace_back("min.insync.replicas", std::to_string(replication - 1));
        auto found = topics->find(spec.name);
        if (found == topics->end()) {
            changes.push_back({spec.name, "create " + spec.name + " (" + std::to_string(spec.partitions) + " partitions)"});
            if (apply)
                if (auto done = create(admin, spec, replication); !done) return done.error();
            continue;
        }
        if (found->second != spec.partitions)
            changes.push_back({spec.name,
                               "partitions of " + spec.name + " " + std::to_string(found->second) + " → " +
                                   std::to_string(spec.partitions) + ": never in place; make a new topic, drain this one, switch",
                               true});
        auto now = settings_of(admin, spec.name);
        if (!now) return now.error();
        bool differs = false;
        for (const auto& [name, value] : spec.settings)
            if (auto current = now->find(name); current == now->end() || current->second.value != value) {
                changes.push_back({spec.name, "set " + name + " of " + spec.name + " to " + value});
                differs = true;
            }
        if (differs && apply)
            if (auto done = alter(admin, spec, *now); !done) return done.error();
    }
    return changes;
}

}  // namespace

const std::vector<TopicSpec>& otto_topics() {
    // How large a record may be follows from what is in it. What providers post goes on whole (bodies of 32 MiB, and what was
    // read of them); a company's profile holds all its numbers and its settings; of calls and changes only names and moments go
    // around.
    static const std::vector<TopicSpec> topics{
        kept("otto.inbound", 36 * kMiB, 7),
        kept("otto.routed", 36 * kMiB, 7),
        kept("otto.calls", kMiB, 7),
        kept("otto.analysis", 36 * kMiB, 7),
        kept("otto.changes", kMiB, 3),
        topic("otto.directory", 4 * kMiB, {{"cleanup.policy", "compact"}}),
        topic("otto.members", kMiB, {{"cleanup.policy", "compact"}}),
    };
    return topics;
}

std::optional<std::size_t> declared_limit(std::string_view topic) {
    static const auto table = [] {
        std::map<std::string, std::size_t, std::less<>> out;
        for (const auto& t : otto_topics())
            for (const auto& [name, value] : t.settings)
                if (name == "max.message.bytes") out[t.name] = std::stoull(value) - framing(std::stoull(value));
        return out;
    }();
    auto found = table.find(topic);
    return found == table.end() ? std::nullopt : std::optional(found->second);
}

std::size_t largest_record(std::string_view topic) {
    return declared_limit(topic).value_or(kStockBroker - framing(kStockBroker));
}

Result<std::vector<TopicChange>> plan_topics(const std::string& brokers, const std::vector<TopicSpec>& specs, int replication,
                                             Millis deadline) {
    return go(brokers, specs, replication, deadline, false);
}

Result<std::vector<TopicChange>> apply_topics(const std::string& brokers, const std::vector<TopicSpec>& specs, int replication,
                                              Millis deadline) {
    auto done = go(brokers, specs, replication, deadline, true);
    if (!done) return done;
    // The controller has taken it; the brokers answer for it a moment later.
    auto end = std::chrono::steady_clock::now() + deadline;
    auto pending = [](const std::vector<TopicChange>& changes) {
        return std::any_of(changes.begin(), changes.end(), [](const auto& c) { return !c.refused; });
    };
    while (pending(*done)) {
        auto left = go(brokers, specs, replication, deadline, false);
        if (!left) return left.error();
        if (!pending(*left)) break;
        if (std::chrono::steady_clock::now() > end)
            return Error("Kafka took the change and does not show it: " + left->front().what,
                         "look at the brokers' logs; apply again");
        std::this_thread::sleep_for(Millis{50});
    }
    return done;
}

}  // namespace otto::kafka
