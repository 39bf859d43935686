// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInputVoucher} from "./IInputVoucher.sol";

/// @title Whose data an inference was made on
/// @notice A data provider states, by an EIP-712 signature, which public inputs a subject has. This registry
/// knows which providers' statements count, and checks them for oracles.
///
/// The statement is `Attestation(address signer,address subject,bytes32 schema,bytes32 inputs,uint64 issuedAt,uint64
/// validUntil)`, `signer` being the provider's account here, under the domain (name "Verdict", version "1", chainId, verifyingContract), the contract being
/// this registry. `inputs` is the keccak hash of the public input words, as in a request. `schema` names what the
/// words mean: features, units and encoding. One statement serves every oracle that relies on the registry and
/// every model whose approval names the schema, for any number of requests while it is valid: `MAX_VALIDITY` at most
/// after the time that it says it was issued, which is the provider's word. All statements of a provider that are valid count beside each other, so that who brings them
/// chooses; a provider takes back by `revokeAttestation` what a later statement replaces.
///
/// For `vouchersOf`, `attestations` is packed, signer by signer in ascending order: index (1 byte), issuedAt (8),
/// validUntil (8), length of the signature (2), signature. It reverts if any of the statements does not hold.
///
/// What it adds: a provider whom the owner chose answers for the inputs. What it cannot: make a provider honest.
interface ISignerRegistry is IInputVoucher {
    /// @notice `account` may accept to be a signer, and counts from `countsFrom` at the earliest.
    event SignerProposed(address indexed account, uint256 indexed index, uint256 countsFrom);
    /// @notice `account` has accepted.
    event SignerAccepted(address indexed account, uint256 indexed index);
    /// @notice Statements of `account` do not count any more.
    event SignerRemoved(address indexed account, uint256 indexed index);
    /// @notice `signer` takes back the statement with this EIP-712 digest.
    event AttestationRevoked(address indexed signer, bytes32 indexed digest);
    /// @notice The account signs already, or may accept to.
    error SignerAlreadyKnown(address account);
    /// @notice Without an owner no signer could be removed.
    error OwnershipCannotBeRenounced();
    /// @notice The account is no signer, or was removed.
    error SignerUnknown(address account);
    /// @notice The account was a signer and was removed, which is for good: the provider returns with another one.
    error SignerRemovedForGood(address account);
    /// @notice The offer was to be accepted earlier, and has to be made again.
    error OfferLapsed(address account, uint256 until);
    /// @notice Every index of the signer list is taken.
    error TooManySigners(uint256 max);
    /// @notice The list of attestations is not as it should be; the first fault is at byte `at`.
    error MalformedAttestations(uint256 at);
    /// @notice Signers are not in ascending order, each once.
    error SignersOutOfOrder(uint256 index);
    /// @notice The signer with this index does not exist, has not accepted, does not count yet, or was removed.
    error SignerNotCounting(uint256 index);
    /// @notice The statement was issued in the future.
    error AttestationNotYetValid(uint256 index, uint256 issuedAt);
    /// @notice The statement is no longer valid.
    error AttestationExpired(uint256 index, uint256 validUntil);
    /// @notice The statement is valid for longer than any may be.
    error AttestationTooLong(uint256 index, uint256 most);
    /// @notice The signer has taken the statement back.
    error AttestationIsRevoked(uint256 index, bytes32 digest);
    /// @notice The signature is not the signer's of a statement about this subject and these inputs.
    error InvalidAttestation(uint256 index);

    /// @notice Offers an account to become a signer: the first of two steps. Owner only. An offer that is not accepted
    /// within `OFFER_PERIOD` lapses, and can be made again; an account that was a signer never is one again.
    function proposeSigner(address account) external;

    /// @notice The second step, taken by the account itself. It counts `SIGNER_DELAY` after the proposal.
    function acceptSigner() external;

    /// @notice Ends a signer's right at once and for good, or takes an offer back. Owner only. Scores recorded before
    /// stay.
    function removeSigner(address account) external;

    /// @notice Takes back a statement of the caller's, by its EIP-712 digest.
    function revokeAttestation(bytes32 digest) external;

    /// @notice Index of a signer.
    function signerIndexOf(address account) external view returns (uint256 index);

    /// @notice Number of signers ever proposed; indices run from 0 to below this.
    function signerCount() external view returns (uint256);

    /// @notice The EIP-712 digest that the provider with account `signer` signs.
    function attestationDigest(
        address signer,
        address subject,
        bytes32 schema,
        bytes32 inputs,
        uint64 issuedAt,
        uint64 validUntil
    ) external view returns (bytes32);
}
