# The project's check, as CI runs it.
check:
    bash .ci/run

# Formatting, lints and tests: the quick round while working.
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    cargo test --workspace

# Everything that is documented, with warnings denied.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps

# The tests of the kernels and of all that is built of them, with AddressSanitizer: no access outside of an array. On the stable
# toolchain, for Linux on x86-64; the widest vectors of the machine are covered.
asan:
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p ser-model --lib --target x86_64-unknown-linux-gnu --target-dir target/asan

# How fast features, reading, augmentation and networks are beside their peers (benches/peers/README.md); `just peers audio` for one of them.
peers *scripts="run audio augment model":
    for script in {{scripts}}; do python benches/peers/$script.py || failed=1; done; exit ${failed:-0}

# Trains the embedded weights anew from a copy of EMO-DB.
pretrained emodb:
    cargo run --release --example train -- --config examples/configs/pretrained-emodb.toml --corpus emodb={{emodb}} --out target/pretrained
    cp target/pretrained/model.safetensors crates/ser-pretrained/emodb.safetensors

# Trains the embedded weights that are not for commercial use anew, from copies of RAVDESS, EMO-DB and nEMO.
pretrained-nc ravdess emodb nemo:
    cargo run --release --example train -- --config examples/configs/pretrained-nc.toml --corpus ravdess={{ravdess}} --corpus emodb={{emodb}} --corpus nemo={{nemo}} --out target/pretrained-nc
    cp target/pretrained-nc/model.safetensors crates/ser-pretrained-nc/merged.safetensors
