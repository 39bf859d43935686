//! Contracts in an EVM that says what each instruction costs.

use revm::{
    Context, ExecuteCommitEvm, InspectCommitEvm, Inspector, MainBuilder, MainContext,
    context::{
        CfgEnv, ContextTr, TxEnv,
        result::{ExecutionResult, ResultGas},
    },
    database::{CacheDB, EmptyDB},
    interpreter::{
        CallInputs, CallOutcome, Interpreter, InterpreterTypes, interpreter_types::Jumps,
    },
    primitives::{Address, Bytes, TxKind, U256, hardfork::SpecId},
};

use super::ExplainError;

/// Who sends all transactions. No byte of it is zero, as in most addresses.
pub const CALLER: Address = Address::repeat_byte(0xca);

/// The pairing's precompile.
const PAIRING: Address = Address::with_last_byte(8);
/// What a transaction may use at most (EIP-7825).
const GAS_LIMIT: u64 = 1 << 24;

/// By which rules gas is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Those of the Osaka hard fork.
    Today,
    /// The repricings announced for Amsterdam: EIP-2780 (a transaction's base), EIP-7976 (the floor
    /// of calldata), EIP-8037 (state that is created), EIP-8038 (state that is touched).
    Announced,
}

impl Rules {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Today, Self::Announced];

    fn spec(self) -> SpecId {
        match self {
            Self::Today => SpecId::OSAKA,
            Self::Announced => SpecId::AMSTERDAM,
        }
    }
}

/// What one instruction took, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// The contract whose code it belongs to.
    pub code: Address,
    /// Its place in the code.
    pub pc: usize,
    /// What it is.
    pub opcode: u8,
    /// Its gas. A call's has that of a precompile in it, but not that of a contract.
    pub gas: u64,
}

/// A transaction that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Gas of the whole transaction: what is paid before it runs and all spendings; the floor, if
    /// that is more.
    pub gas: u64,
    /// What is paid before anything runs, less the calldata.
    pub base: u64,
    /// Of that what the calldata cost.
    pub calldata: u64,
    /// The least that a transaction with this calldata costs.
    pub floor: u64,
    /// What each instruction took, in their order.
    pub spendings: Vec<Spending>,
}

/// A chain in memory.
#[derive(Debug, Clone)]
pub struct Machine {
    db: CacheDB<EmptyDB>,
    timestamp: u64,
    nonce: u64,
}

impl Machine {
    /// An empty chain at a Unix time.
    pub fn new(timestamp: u64) -> Self {
        Self { db: CacheDB::new(EmptyDB::new()), timestamp, nonce: 0 }
    }

    /// Creates a contract from creation code.
    ///
    /// # Errors
    /// The constructor fails.
    pub fn create(&mut self, code: Bytes) -> Result<Address, ExplainError> {
        let result = self.transact(TxKind::Create, code)?;
        result.created_address().ok_or_else(|| failed(&result))
    }

    /// Calls a contract for good; returns what it answers.
    ///
    /// # Errors
    /// The call fails.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, ExplainError> {
        match self.transact(TxKind::Call(to), data.into())? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            result => Err(failed(&result)),
        }
    }

    /// Calls a contract for good, by some rules and with an accepting pairing, and says what it
    /// took.
    ///
    /// # Errors
    /// The call fails.
    pub fn measure(
        &mut self,
        rules: Rules,
        to: Address,
        data: Vec<u8>,
    ) -> Result<Run, ExplainError> {
        let calldata = data.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum::<u64>();
        let tx = self.transaction(TxKind::Call(to), data.into())?;
        let context = Context::mainnet()
            .with_db(&mut self.db)
            .modify_block_chained(|block| block.timestamp = U256::from(self.timestamp))
            .with_cfg(CfgEnv::new_with_spec(rules.spec()));
        let mut evm = context.build_mainnet_with_inspector(Meter::default());
        let result = evm.inspect_tx_commit(tx).map_err(|error| evm_error(&error))?;
        let spendings = evm.inspector.spendings;
        let ExecutionResult::Success { gas, .. } = result else { return Err(failed(&result)) };
        let spent: u64 = spendings.iter().map(|spending| spending.gas).sum();
        let before = total(&gas).saturating_sub(spent);
        Ok(Run {
            gas: gas.tx_gas_used(),
            base: before.saturating_sub(calldata),
            calldata,
            floor: gas.floor_gas(),
            spendings,
        })
    }

    /// What it takes to create a contract, by some rules; the chain stays as it is.
    ///
    /// # Errors
    /// The constructor fails.
    pub fn price_of_code(&self, rules: Rules, code: Bytes) -> Result<u64, ExplainError> {
        let mut copy = self.clone();
        let mut tx = copy.transaction(TxKind::Create, code)?;
        if rules == Rules::Announced {
            // State that is created is paid beside what a transaction may use.
            tx.gas_limit = GAS_LIMIT << 3;
        }
        let context = Context::mainnet()
            .with_db(&mut copy.db)
            .modify_block_chained(|block| block.gas_limit = GAS_LIMIT << 3)
            .with_cfg(CfgEnv::new_with_spec(rules.spec()));
        let result = context.build_mainnet().transact_commit(tx);
        match result.map_err(|error| evm_error(&error))? {
            ExecutionResult::Success { gas, .. } => Ok(gas.tx_gas_used()),
            result => Err(failed(&result)),
        }
    }

    fn transact(&mut self, kind: TxKind, data: Bytes) -> Result<ExecutionResult, ExplainError> {
        let tx = self.transaction(kind, data)?;
        let context = Context::mainnet()
            .with_db(&mut self.db)
            .modify_block_chained(|block| block.timestamp = U256::from(self.timestamp))
            .with_cfg(CfgEnv::new_with_spec(Rules::Today.spec()));
        context.build_mainnet().transact_commit(tx).map_err(|error| evm_error(&error))
    }

    fn transaction(&mut self, kind: TxKind, data: Bytes) -> Result<TxEnv, ExplainError> {
        let nonce = self.nonce;
        self.nonce += 1;
        TxEnv::builder()
            .caller(CALLER)
            .kind(kind)
            .data(data)
            .nonce(nonce)
            .gas_limit(GAS_LIMIT)
            .chain_id(Some(1))
            .build()
            .map_err(|error| ExplainError::Evm(format!("{error:?}")))
    }
}

/// Gas before a floor takes effect.
fn total(gas: &ResultGas) -> u64 {
    gas.total_gas_spent()
}

fn failed(result: &ExecutionResult) -> ExplainError {
    ExplainError::Evm(match result {
        ExecutionResult::Revert { output, .. } => format!("it reverted with {output}"),
        ExecutionResult::Halt { reason, .. } => format!("it halted: {reason:?}"),
        ExecutionResult::Success { .. } => "it created nothing".to_owned(),
    })
}

fn evm_error(error: &impl std::fmt::Debug) -> ExplainError {
    ExplainError::Evm(format!("{error:?}"))
}

/// An instruction that has begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    pc: usize,
    opcode: u8,
    remaining: u64,
}

/// A call that is running.
#[derive(Debug, Default)]
struct Frame {
    code: Address,
    begun: Option<Begun>,
    /// Gas of the contracts that the instruction has called.
    called: u64,
}

/// Counts what each instruction takes.
#[derive(Debug, Default)]
struct Meter {
    frames: Vec<Frame>,
    spendings: Vec<Spending>,
}

impl Meter {
    /// The instruction that has begun is over.
    fn over(&mut self, remaining: u64) {
        let Some(frame) = self.frames.last_mut() else { return };
        if let Some(Begun { pc, opcode, remaining: before }) = frame.begun.take() {
            let gas = before.saturating_sub(remaining).saturating_sub(frame.called);
            self.spendings.push(Spending { code: frame.code, pc, opcode, gas });
        }
        frame.called = 0;
    }
}

impl<CTX: ContextTr, INTR: InterpreterTypes> Inspector<CTX, INTR> for Meter {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _: &mut CTX) {
        let remaining = interpreter.gas.remaining();
        self.over(remaining);
        let (pc, opcode) = (interpreter.bytecode.pc(), interpreter.bytecode.opcode());
        if let Some(frame) = self.frames.last_mut() {
            frame.begun = Some(Begun { pc, opcode, remaining });
        }
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.frames.push(Frame { code: inputs.bytecode_address, ..Frame::default() });
        None
    }

    fn call_end(&mut self, _: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        let remaining = outcome.result.gas.remaining();
        // A precompile has no instructions: what it took stays with the call.
        let contract = self.frames.last().is_some_and(|frame| frame.begun.is_some());
        self.over(remaining);
        self.frames.pop();
        if let Some(caller) = self.frames.last_mut().filter(|_| contract) {
            caller.called += inputs.gas_limit.saturating_sub(remaining);
        }
        if inputs.bytecode_address == PAIRING {
            outcome.result.output = U256::from(1).to_be_bytes::<32>().into();
        }
    }
}
