//! Of the registry of data providers.

use alloy_sol_types::sol;

sol! {
    /// Registry of data providers, whose statements about inputs count.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract SignerRegistry {
        constructor(address initialOwner);

        /// A provider whose statements count.
        /// - `account`: Who signs: a key's account, or a contract that answers by ERC-1271.
        /// - `countsFrom`: Time from which statements count; zero before the provider has accepted.
        /// - `proposedAt`: Time of the last proposal.
        /// - `removed`: Whether the owner has removed it.
        struct Signer {
            address account;
            uint40 countsFrom;
            uint40 proposedAt;
            bool removed;
        }

        /// `account` may accept to be a signer, and counts from `countsFrom` at the earliest.
        event SignerProposed(address indexed account, uint256 indexed index, uint256 countsFrom);
        /// `account` has accepted.
        event SignerAccepted(address indexed account, uint256 indexed index);
        /// Statements of `account` do not count any more.
        event SignerRemoved(address indexed account, uint256 indexed index);
        /// `signer` takes back the statement with this EIP-712 digest.
        event AttestationRevoked(address indexed signer, bytes32 indexed digest);
        event EIP712DomainChanged();
        event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner);
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

        /// The account signs already, or may accept to.
        error SignerAlreadyKnown(address account);
        /// The account is no signer, or was removed.
        error SignerUnknown(address account);
        /// The account was a signer and was removed, which is for good.
        error SignerRemovedForGood(address account);
        /// The offer was to be accepted earlier, and has to be made again.
        error OfferLapsed(address account, uint256 until);
        /// Every index of the signer list is taken.
        error TooManySigners(uint256 max);
        /// The list of attestations is not as it should be; the first fault is at byte `at`.
        error MalformedAttestations(uint256 at);
        /// Signers are not in ascending order, each once.
        error SignersOutOfOrder(uint256 index);
        /// The signer does not exist, has not accepted, does not count yet, or was removed.
        error SignerNotCounting(uint256 index);
        /// The statement was issued in the future.
        error AttestationNotYetValid(uint256 index, uint256 issuedAt);
        /// The statement is no longer valid.
        error AttestationExpired(uint256 index, uint256 validUntil);
        /// The statement is valid for longer than any may be.
        error AttestationTooLong(uint256 index, uint256 most);
        /// The signer has taken the statement back.
        error AttestationIsRevoked(uint256 index, bytes32 digest);
        /// The signature is not the signer's of a statement about this subject and these inputs.
        error InvalidAttestation(uint256 index);
        /// Without an owner no signer could be removed.
        error OwnershipCannotBeRenounced();
        /// The caller is not the owner.
        error OwnableUnauthorizedAccount(address account);
        /// Nobody can own through this address.
        error OwnableInvalidOwner(address owner);
        /// Never thrown: the domain's name and version are short.
        error InvalidShortString();
        /// Never thrown either.
        error StringTooLong(string str);

        /// Offers an account to become a signer: the first of two steps. Owner only.
        function proposeSigner(address account) external;
        /// The second step, taken by the account itself. It counts `SIGNER_DELAY` after the proposal.
        function acceptSigner() external;
        /// Ends a signer's right at once and for good, or takes an offer back. Owner only. Scores
        /// recorded before stay.
        function removeSigner(address account) external;
        /// Takes back a statement of the caller's, by its EIP-712 digest.
        function revokeAttestation(bytes32 digest) external;
        /// The signer at an index, which is its bit in a bitmap of signers.
        function signerAt(uint256 index) external view returns (Signer signer);
        /// Index of a signer.
        function signerIndexOf(address account) external view returns (uint256 index);
        /// Number of signers ever proposed; indices run from 0 to below this.
        function signerCount() external view returns (uint256);
        /// Which signers vouch for a subject's inputs. Reverts if any of the statements does not hold.
        function vouchersOf(address subject, bytes32 schema, bytes32 inputs, bytes attestations)
            external
            view
            returns (uint256 signers, uint256 count);
        /// The EIP-712 digest that a provider signs.
        function attestationDigest(
            address signer,
            address subject,
            bytes32 schema,
            bytes32 inputs,
            uint64 issuedAt,
            uint64 validUntil
        ) external view returns (bytes32);

        /// EIP-712's type hash of a statement.
        function ATTESTATION_TYPEHASH() external view returns (bytes32);
        /// Seconds between a proposal and the first statement that counts.
        function SIGNER_DELAY() external view returns (uint256);
        /// Seconds after a proposal in which it can be accepted.
        function OFFER_PERIOD() external view returns (uint256);
        /// Longest time in seconds between a statement's issue and its end.
        function MAX_VALIDITY() external view returns (uint256);
        /// Signers that there can be in the registry's life.
        function MAX_SIGNERS() external view returns (uint256);

        /// EIP-5267: the domain of the statements.
        function eip712Domain()
            external
            view
            returns (
                bytes1 fields,
                string name,
                string version,
                uint256 chainId,
                address verifyingContract,
                bytes32 salt,
                uint256[] extensions
            );
        function owner() external view returns (address);
        function pendingOwner() external view returns (address);
        function transferOwnership(address newOwner) external;
        function acceptOwnership() external;
        /// Always reverts: ownership can only be handed over.
        function renounceOwnership() external view;
    }
}
