# The CUDA backend is built where nvcc is: CUDA_HOME, PATH or /usr/local/cuda. SWITCHYARD_CUDA says whether.
option(SWITCHYARD_WITH_CUDA "Build the CUDA backend where nvcc is found" ON)
find_program(SWITCHYARD_NVCC nvcc HINTS ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES bin)

set(SWITCHYARD_CUDA OFF)
# No sanitizer's runtime can be loaded beside the device code's host stubs and the emulated runtime.
if(SWITCHYARD_WITH_CUDA AND SWITCHYARD_NVCC AND NOT SWITCHYARD_SANITIZE)
  set(CMAKE_CUDA_COMPILER ${SWITCHYARD_NVCC})
  set(CMAKE_CUDA_ARCHITECTURES 90a)  # both compute_90a PTX and sm_90a code
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # targets name CUDA::cudart, the shared one
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -lineinfo -DNDEBUG")
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  if(CCACHE_PROGRAM)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  endif()
  set(CMAKE_CUDA_STANDARD 17)  # while CMake tries the compiler: 3.25 does not know that this nvcc speaks C++20
  enable_language(CUDA)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA_STANDARD 20)
  # Packages name it; given on the command line it hides the compiler's own order of folders.
  list(APPEND CMAKE_CUDA_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)
  find_package(CUDAToolkit REQUIRED)
  set(SWITCHYARD_CUDA ON)
endif()
if(NOT SWITCHYARD_CUDA)
  message(STATUS "The CUDA backend is left out: no nvcc here, switched off, or a sanitizer build")
endif()

# Spills and any other warning of ptxas are errors; so is serialised wgmma, which it only informs of (cuda_compile.sh).
set(SWITCHYARD_CUDA_LAUNCHER ${CMAKE_CURRENT_LIST_DIR}/cuda_compile.sh ${CMAKE_CUDA_COMPILER_LAUNCHER})
set(SWITCHYARD_CUDA_OPTIONS -Xptxas=--warn-on-spills,--warn-on-local-memory-usage -Werror=all-warnings
  -Xcompiler=-Wall,-Wextra,-Wno-missing-field-initializers --expt-relaxed-constexpr)
