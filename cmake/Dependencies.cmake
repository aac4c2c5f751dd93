# Everything that rekindle links, in one place. What `./dev setup` installs is what is looked for here.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(LibArchive REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PNG REQUIRED)
find_package(GTest REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS url json)
find_package(Protobuf 3.21 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(TURBOJPEG REQUIRED IMPORTED_TARGET libturbojpeg)
pkg_check_modules(MPI REQUIRED IMPORTED_TARGET ompi-c)

# mold links in a fraction of the time; the default linker serves where it is absent.
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the source tree let several build folders share one cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

# protobuf is linked statically and hidden: libtorch and libarrow carry protobufs of their own.
add_library(rekindle_protobuf INTERFACE)
target_link_libraries(rekindle_protobuf INTERFACE -l:libprotobuf.a -lz Threads::Threads)
target_link_options(rekindle_protobuf INTERFACE -Wl,--exclude-libs,ALL)

# Wheels live in a virtual environment inside the build folder.
set(REKINDLE_VENV ${CMAKE_SOURCE_DIR}/build/venv CACHE PATH "virtual environment with the pinned wheels")
file(GLOB site_packages ${REKINDLE_VENV}/lib/python3*/site-packages)
if(NOT site_packages)
  message(FATAL_ERROR "No wheels in ${REKINDLE_VENV}: run ./dev setup first.")
endif()

# Built programs find the wheels' libraries through one link, lib/site-packages beside their own folder: moved
# to another machine, they need no more than that link to point elsewhere (docs/gpu.md).
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
file(CREATE_LINK ${site_packages} ${CMAKE_BINARY_DIR}/lib/site-packages SYMBOLIC)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH $ORIGIN/../lib/site-packages/torch/lib $ORIGIN/../lib/site-packages/pyarrow)

# --- LibTorch (CPU): find_package(Torch) of this wheel stops without a CUDA toolkit, so targets are
# declared here. The wheel's include folder would shadow Debian's protobuf and fmt: a folder of links
# offers only what is torch's own.
set(torch_root ${site_packages}/torch)
set(torch_include ${CMAKE_BINARY_DIR}/torch-include)
file(MAKE_DIRECTORY ${torch_include})
foreach(part ATen c10 caffe2 torch)
  if(NOT EXISTS ${torch_include}/${part})
    file(CREATE_LINK ${torch_root}/include/${part} ${torch_include}/${part} SYMBOLIC)
  endif()
endforeach()
add_library(rekindle_torch INTERFACE)
target_include_directories(rekindle_torch SYSTEM INTERFACE ${torch_include}
                           ${torch_include}/torch/csrc/api/include)
target_compile_definitions(rekindle_torch INTERFACE USE_DISTRIBUTED USE_C10D)
target_link_libraries(rekindle_torch INTERFACE ${torch_root}/lib/libtorch_cpu.so ${torch_root}/lib/libc10.so)
target_link_options(rekindle_torch INTERFACE -Wl,--allow-shlib-undefined)

# --- CUDA and NCCL, for librekindle_gpu.so alone: headers and link-time libraries of a few wheels, no nvcc.
set(cuda_root ${site_packages}/nvidia/cu13)
set(nccl_root ${site_packages}/nvidia/nccl)
add_library(rekindle_cuda INTERFACE)
target_include_directories(rekindle_cuda SYSTEM INTERFACE ${cuda_root}/include ${nccl_root}/include)
target_link_libraries(rekindle_cuda INTERFACE rekindle_torch ${torch_root}/lib/libc10_cuda.so
                      ${nccl_root}/lib/libnccl.so.2 ${cuda_root}/lib/libcudart.so.13)
# libtorch_cuda registers its kernels when it is loaded; no symbol of ours asks for it.
target_link_options(rekindle_cuda INTERFACE -Wl,--no-as-needed ${torch_root}/lib/libtorch_cuda.so -Wl,--as-needed)

# --- Arrow and Parquet from the pyarrow wheel.
set(arrow_root ${site_packages}/pyarrow)
file(GLOB arrow_lib ${arrow_root}/libarrow.so.*)
file(GLOB parquet_lib ${arrow_root}/libparquet.so.*)
file(GLOB arrow_compute_lib ${arrow_root}/libarrow_compute.so.*)
add_library(rekindle_arrow INTERFACE)
target_include_directories(rekindle_arrow SYSTEM INTERFACE ${arrow_root}/include)
target_link_libraries(rekindle_arrow INTERFACE ${arrow_lib} ${parquet_lib} ${arrow_compute_lib})
target_link_options(rekindle_arrow INTERFACE -Wl,--allow-shlib-undefined)

add_library(rekindle_mpi INTERFACE)
target_link_libraries(rekindle_mpi INTERFACE PkgConfig::MPI)
target_compile_definitions(rekindle_mpi INTERFACE OMPI_SKIP_MPICXX)

# --- Apache DataSketches, headers alone: <datasketches/kll_sketch.hpp>.
set(REKINDLE_DATASKETCHES ${CMAKE_SOURCE_DIR}/build/datasketches CACHE PATH "headers of Apache DataSketches")
if(NOT EXISTS ${REKINDLE_DATASKETCHES}/include/datasketches/kll_sketch.hpp)
  message(FATAL_ERROR "No DataSketches in ${REKINDLE_DATASKETCHES}: run ./dev setup first.")
endif()
