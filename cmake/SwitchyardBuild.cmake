# Language level, warnings, sanitizers, compiler cache: everything that changes how a file is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(SWITCHYARD_BUILD_TESTS "Build the tests" ON)
option(SWITCHYARD_FUZZ "Build the fuzz targets with libFuzzer (clang only)" OFF)
set(SWITCHYARD_SANITIZE "" CACHE STRING "Value for -fsanitize=, or empty")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

# One answer everywhere: the compiler may fuse a*b+c only where the source asks for it (ARCHITECTURE, "Same tokens").
set(host_options -Wall -Wextra -Werror -Wno-missing-field-initializers -ffp-contract=off)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${host_options}>")

# Hints to GCC's optimiser, which change no result (ivdep, optimize), are none to clang.
add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-unknown-pragmas>
                    $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-unknown-attributes>)

if(SWITCHYARD_SANITIZE)
  add_compile_options(-fsanitize=${SWITCHYARD_SANITIZE} -fno-sanitize-recover=all)
  add_compile_definitions(SWITCHYARD_SANITIZED)
  add_link_options(-fsanitize=${SWITCHYARD_SANITIZE})
  # GCC takes what its instrumentation adds for paths on which nothing was assigned.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(SWITCHYARD_SANITIZE STREQUAL "thread")
    # Asio's fences are not seen by ThreadSanitizer; what it guards by them it guards by locks, too.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
    # Protobuf's headers give its maps two more members where this is defined, and the library of the system has none of them.
    # The standard library's headers are told by their own name: else shared_ptr reads both of its counts at once, which is taken
    # for a race.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-U__SANITIZE_THREAD__>)
    add_compile_definitions($<$<CXX_COMPILER_ID:GNU>:_GLIBCXX_TSAN=1>)
  endif()
endif()
if(SWITCHYARD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
