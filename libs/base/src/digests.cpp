#include <array>
#include <memory>

#include "base/crypto.hpp"

#ifdef OTTO_IPSEC_MB
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#endif

namespace otto {
namespace {

std::string alone(const DigestJob& job) {
    switch (job.kind) {
        case Digest::sha256:
            return sha256(job.message);
        case Digest::hmac_sha1:
            return hmac_sha1(job.key, job.message);
        case Digest::hmac_sha256:
            return hmac_sha256(job.key, job.message);
    }
    return {};
}

#ifdef OTTO_IPSEC_MB

/// Longer ones would keep the lanes of the others waiting.
constexpr std::size_t kLongest = 32u << 10;
constexpr std::size_t kBlock = 64;

bool fits(const DigestJob& job) { return !job.message.empty() && job.message.size() <= kLongest && job.key.size() <= kBlock; }

/// Intel's multi-buffer library: a lane of a wide register for each message. One manager a thread.
class Lanes {
public:
    Lanes() : manager_(alloc_mb_mgr(0)) {
        if (!manager_) return;
        init_mb_mgr_auto(manager_.get(), nullptr);
        sound_ = imb_get_errno(manager_.get()) == 0 && (manager_->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
    }
    bool sound() const { return sound_; }

    /// Jobs that could not be done keep an empty digest.
    void run(std::span<DigestJob*> jobs) {
        for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), kRound)))
            round(jobs.first(std::min(jobs.size(), kRound)));
    }

private:
    static constexpr std::size_t kRound = 64;
    /// What a key makes of the hash's first block, inside and outside (RFC 2104).
    struct Pads {
        alignas(16) std::array<std::uint8_t, 32> inner, outer;
    };
    struct Freed {
        void operator()(IMB_MGR* m) const { free_mb_mgr(m); }
    };

    void round(std::span<DigestJob*> jobs) {
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            auto& job = *jobs[i];
            auto* m = manager_.get();
            IMB_JOB& given = *IMB_GET_NEXT_JOB(m);
            given.cipher_mode = IMB_CIPHER_NULL;
            given.cipher_direction = IMB_DIR_ENCRYPT;
            given.chain_order = IMB_ORDER_HASH_CIPHER;
            given.src = reinterpret_cast<const std::uint8_t*>(job.message.data());
            given.hash_start_src_offset_in_bytes = 0;
            given.msg_len_to_hash_in_bytes = job.message.size();
            given.auth_tag_output = out_[i].data();
            given.auth_tag_output_len_in_bytes = job.kind == Digest::hmac_sha1 ? 20 : 32;
            given.user_data = &job;
            given.user_data2 = out_[i].data();
            if (job.kind == Digest::sha256) {
                given.hash_alg = IMB_AUTH_SHA_256;
            } else {
                given.hash_alg = job.kind == Digest::hmac_sha1 ? IMB_AUTH_HMAC_SHA_1 : IMB_AUTH_HMAC_SHA_256;
                derive(job, pads_[i]);
                given.u.HMAC._hashed_auth_key_xor_ipad = pads_[i].inner.data();
                given.u.HMAC._hashed_auth_key_xor_opad = pads_[i].outer.data();
            }
            take(IMB_SUBMIT_JOB(m));
        }
        while (auto* done = IMB_FLUSH_JOB(manager_.get())) take(done);
        OPENSSL_cleanse(pads_.data(), sizeof pads_);
    }
    static void take(const IMB_JOB* done) {
        if (!done || done->status != IMB_STATUS_COMPLETED) return;
        static_cast<DigestJob*>(done->user_data)->digest =
            std::string_view(static_cast<const char*>(done->user_data2), done->auth_tag_output_len_in_bytes);
    }
    void derive(const DigestJob& job, Pads& pads) {
        std::array<std::uint8_t, kBlock> block{};
        auto make = [&](std::uint8_t with, std::uint8_t* to) {
            for (std::size_t i = 0; i < kBlock; ++i)
                block[i] = with ^ static_cast<std::uint8_t>(i < job.key.size() ? job.key[i] : 0);
            if (job.kind == Digest::hmac_sha1)
                IMB_SHA1_ONE_BLOCK(manager_.get(), block.data(), to);
            else
                IMB_SHA256_ONE_BLOCK(manager_.get(), block.data(), to);
        };
        make(0x36, pads.inner.data());
        make(0x5c, pads.outer.data());
        OPENSSL_cleanse(block.data(), block.size());
    }

    std::unique_ptr<IMB_MGR, Freed> manager_;
    bool sound_ = false;
    std::array<Pads, kRound> pads_{};
    std::array<std::array<std::uint8_t, 32>, kRound> out_{};
};

void side_by_side(std::span<DigestJob> jobs) {
    static thread_local Lanes lanes;
    if (!lanes.sound()) return;
    std::vector<DigestJob*> able;
    able.reserve(jobs.size());
    for (auto& job : jobs)
        if (fits(job)) able.push_back(&job);
    if (able.size() > 1) lanes.run(able);
}

#else

void side_by_side(std::span<DigestJob>) {}

#endif

}  // namespace

void digest_all(std::span<DigestJob> jobs) {
    if (jobs.size() > 1) side_by_side(jobs);
    for (auto& job : jobs)
        if (job.digest.empty()) job.digest = alone(job);
}

}  // namespace otto
