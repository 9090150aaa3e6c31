#include "coordinator/gateway/io_threads.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"

namespace switchyard::gateway {

struct IoThreads::Impl {
  explicit Impl(int num_threads) : context(num_threads), guard(context.get_executor()) {
    for (int i = 0; i < num_threads; ++i) {
      threads.emplace_back([this] { context.run(); });
    }
  }
  void Stop() {
    context.stop();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  boost::asio::io_context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
  std::vector<std::thread> threads;
};

IoThreads::IoThreads(int num_threads) {
  SY_CHECK_GE(num_threads, 1);
  impl_ = std::make_unique<Impl>(num_threads);
}

IoThreads::~IoThreads() { Stop(); }

void IoThreads::Stop() { impl_->Stop(); }

void IoThreads::Post(std::function<void()> work) {
  boost::asio::post(impl_->context, std::move(work));
}

boost::asio::io_context& IoThreads::context() { return impl_->context; }

}  // namespace switchyard::gateway
